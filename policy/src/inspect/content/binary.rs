//! Native binaries: read far enough to see that their headers are whole.

use data_encoding::HEXLOWER;

use super::facts::Binary;
use super::place::native_format;

/// What a file with the first bytes of a native binary is. `bytes` are its first ones; whether its
/// headers are damaged is only told when they are all.
pub(super) fn binary(
    path: &str,
    sha256: &[u8; 32],
    bytes: &[u8],
    is_whole: bool,
) -> Option<Binary> {
    let format = native_format(bytes)?;
    let is_fat = bytes.starts_with(&[0xca, 0xfe, 0xba, 0xbe]);
    let is_damaged = is_whole && !is_fat && object::File::parse(bytes).is_err();
    Some(Binary {
        file: super::text::excerpt(path),
        format,
        sha256: HEXLOWER.encode(sha256).into(),
        is_damaged,
    })
}
