//! Group A: names in ZIPs, files of another kind, and ZIPs that must pass.

use cordon_policy::inspect::FaultCode as F;

use super::cases_zip::{good, honest, named, plus, wheel, zip64};
use super::table::{Case, SDIST_ZIP, WHEEL};
use super::zipfile::{End, Entry, Zip, crc, extra};

pub(crate) fn names() -> Vec<Case> {
    let unicode = |name: &str, header: &[u8]| {
        let field = [&[1][..], &crc(header).to_le_bytes(), name.as_bytes()].concat();
        extra(0x7075, &field)
    };
    let field = unicode("a/evil.py", b"a/c.py");
    let cp437 = |change: fn(&mut Entry)| plus(Entry::new("a/é.py", b"x").with(change));
    vec![
        wheel("A-17", "NUL in a name", F::Name, named("a/x.py\0.txt")),
        wheel(
            "A-21",
            "second name in an extra field",
            F::Name,
            plus(Entry::new("a/c.py", b"x").both(|it| it.extra = field.clone())),
        ),
        wheel(
            "A-22",
            "encoding of a name told locally only",
            F::Name,
            cp437(|it| it.central.flags = 0),
        ),
        wheel(
            "A-22",
            "encoding of a name not told",
            F::Name,
            cp437(|it| (it.central.flags, it.local.flags) = (0, 0)),
        ),
        wheel(
            "A-22",
            "a name that is not UTF-8 and says so",
            F::Name,
            plus(Entry::new("a/é.py", b"x").both(|it| it.name = b"a/\xff.py".to_vec())),
        ),
        wheel("A-23", "backslashes", F::Name, named("a\\b\\c.py")),
        wheel("A-24", "absolute path", F::Path, named("/etc/cron.d/x")),
        wheel("A-24", "drive letter", F::Path, named("C:/x.py")),
        wheel(
            "A-24",
            "network path",
            F::Path,
            named("\\\\host\\share\\x.py"),
        ),
        wheel("A-25", "upwards at the start", F::Path, named("../x.py")),
        wheel("A-25", "upwards inside", F::Path, named("a/../../x.py")),
        wheel(
            "A-25",
            "upwards without leaving",
            F::Path,
            named("a/../x.py"),
        ),
        wheel(
            "A-25",
            "upwards with backslashes",
            F::Path,
            named("a\\..\\..\\x.py"),
        ),
        wheel(
            "A-25",
            "single dots and empty components",
            F::Name,
            named("a/.//x.py"),
        ),
        wheel(
            "A-26",
            "sibling with the same beginning",
            F::Path,
            named("../a-evil/x.py"),
        ),
        wheel(
            "A-28",
            "names that differ by case",
            F::Collision,
            named("A/B.PY"),
        ),
        wheel(
            "A-29",
            "names that differ by composition",
            F::Collision,
            Zip::of(vec![
                Entry::new("a/e\u{301}.py", b"1"),
                Entry::new("a/é.py", b"2"),
            ])
            .bytes(),
        ),
        wheel(
            "A-29",
            "ß and ss",
            F::Collision,
            Zip::of(vec![
                Entry::new("a/ß.py", b"1"),
                Entry::new("a/SS.py", b"2"),
            ])
            .bytes(),
        ),
        wheel(
            "A-29",
            "a ligature",
            F::Collision,
            Zip::of(vec![
                Entry::new("a/ﬁ.py", b"1"),
                Entry::new("a/fi.py", b"2"),
            ])
            .bytes(),
        ),
        wheel(
            "A-29",
            "a file where a folder is, by case",
            F::Collision,
            Zip::of(vec![Entry::new("a/B/c.py", b"1"), Entry::new("a/b", b"2")]).bytes(),
        ),
        wheel("A-30", "a device of Windows", F::Name, named("a/aux.py")),
        wheel(
            "A-30",
            "a device of Windows with a raised digit",
            F::Name,
            named("a/COM¹.txt"),
        ),
        wheel("A-30", "dot at the end", F::Name, named("a/b./c.py")),
        wheel("A-30", "space at the end", F::Name, named("a/b.py ")),
        wheel("A-30", "a stream of Windows", F::Name, named("a/b.py:evil")),
        wheel(
            "A-43",
            "out of a wheel's scripts",
            F::Path,
            named("a-1.data/scripts/../../x"),
        ),
        wheel(
            "A-82",
            "escape sequence in a name",
            F::Name,
            named("a/\u{1b}[31m.py"),
        ),
        wheel("A-82", "newline in a name", F::Name, named("a/x\ny.py")),
        wheel(
            "A-82",
            "direction mark in a name",
            F::Name,
            named("a/\u{202e}yp.exe"),
        ),
        wheel(
            "A-07",
            "a file and a folder of one name",
            F::Dup,
            named("a"),
        ),
    ]
}

pub(crate) fn formats() -> Vec<Case> {
    vec![
        Case::fault(
            "A-45",
            "a gzipped tar named .whl",
            F::Type,
            WHEEL,
            super::tarfile::Tar::new().file("a/x", b"x").gz(),
        ),
        Case::fault(
            "A-45",
            "text named .zip",
            F::Type,
            SDIST_ZIP,
            b"not an archive at all".to_vec(),
        ),
    ]
}

pub(crate) fn honest_ones() -> Vec<Case> {
    let fine = |what, bytes| Case::fine("", what, WHEEL, bytes);
    let deferred = Zip::of(good().into_iter().map(Entry::deferred).collect());
    let unsigned = Zip::of(
        good()
            .into_iter()
            .map(|it| it.deferred().with(|it| drop(it.descriptor.drain(..4))))
            .collect(),
    );
    let wide = |size: u32, packed: u32| {
        extra(
            1,
            &[
                u64::from(size).to_le_bytes(),
                u64::from(packed).to_le_bytes(),
            ]
            .concat(),
        )
    };
    let forced = plus(Entry::new("a/c.py", b"xx").with(|it| {
        it.local.extra = wide(it.local.size, it.local.packed);
        (it.local.size, it.local.packed) = (u32::MAX, u32::MAX);
    }));
    vec![
        fine("honest wheel", honest().bytes()),
        fine(
            "stored entries",
            Zip::of(vec![
                Entry::stored("a/x", b"x"),
                Entry::stored("a/empty", b""),
            ])
            .bytes(),
        ),
        fine("data descriptors", deferred.bytes()),
        fine("data descriptors without their mark", unsigned.bytes()),
        fine(
            "folders, twice",
            Zip::of(
                vec![
                    Entry::stored("a/", b""),
                    Entry::stored("a/", b""),
                    Entry::new("a/x", b"x"),
                ]
                .into_iter()
                .map(|it| {
                    it.with(|it| {
                        if it.central.name.ends_with(b"/") {
                            it.attributes = 0o040_755 << 16
                        }
                    })
                })
                .collect(),
            )
            .bytes(),
        ),
        fine(
            "a comment at the end",
            honest().ended(|it| it.comment = b"made by hand".to_vec()),
        ),
        fine(
            "a comment of an entry",
            plus(Entry::new("a/c.py", b"x").with(|it| it.comment = b"fine".to_vec())),
        ),
        fine("ZIP64 records that agree", zip64(|_| {})),
        fine("a local ZIP64 field that was not needed", forced),
        fine("names in UTF-8", named("a/ünïcode-文.py")),
        fine(
            "extra fields of Unix, and padding",
            plus(
                Entry::new("a/c.py", b"x")
                    .both(|it| it.extra = [extra(0x5455, &[0; 5]), vec![0; 3]].concat()),
            ),
        ),
        fine(
            "the directory in another order",
            Zip::of(good().into_iter().rev().collect()).bytes(),
        ),
        fine("nothing in it", End::default().write()),
        Case::fine(
            "A-42",
            "a .pth without an import line",
            WHEEL,
            named("a.pth"),
        ),
        Case::marked(
            "A-42",
            "a .pth with an import line",
            "autoexec",
            WHEEL,
            plus(Entry::new("a.pth", b"lib\nimport os; os.system('x')\n")),
        ),
        Case::marked(
            "A-42",
            "_manylinux.py at the top",
            "autoexec",
            WHEEL,
            named("_manylinux.py"),
        ),
        Case::marked(
            "A-42",
            "sitecustomize.py by way of .data",
            "autoexec",
            WHEEL,
            named("a-1.data/purelib/sitecustomize.py"),
        ),
        Case::fine(
            "A-42",
            "_manylinux.py in a package",
            WHEEL,
            named("a/_manylinux.py"),
        ),
        Case::marked(
            "A-66",
            "set-user-id",
            "mode",
            WHEEL,
            plus(Entry::new("a/s", b"x").with(|it| it.attributes = 0o104_755 << 16)),
        ),
        Case::fine(
            "A-78",
            "source distribution as .zip",
            SDIST_ZIP,
            honest().bytes(),
        ),
    ]
}
