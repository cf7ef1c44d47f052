//! A disk that keeps only what it must.
//!
//! Bytes are durable after the file's `sync`, names after the `sync_folder` of their folder. A
//! crash decides about everything else by its seed: each name made, moved or removed since the
//! folder's last sync may have reached the disk or not, each write since the file's last sync may
//! be there, be missing (a hole of zeros), be cut or be garbage, in any combination.

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{Disk, DiskFile, Entry, Lock, Opened};

/// A file or folder, whatever its names are.
type NodeId = u64;

/// A disk in memory. Clones are the same disk, as seen by a process that ends with the next crash.
#[derive(Clone, Debug)]
pub(crate) struct SimulatedDisk {
    state: Arc<Mutex<State>>,
    era: u64,
}

#[derive(Debug)]
struct State {
    nodes: HashMap<NodeId, Node>,
    next: NodeId,
    random: Random,
    /// Operations until the power goes; then every operation fails.
    left: Option<u64>,
    /// Operations until one fails, and how.
    failure: Option<(u64, io::ErrorKind)>,
    /// Raised by each crash: nobody from before it can do anything any more.
    era: u64,
    is_locked: bool,
}

#[derive(Clone, Debug)]
enum Node {
    Folder {
        names: BTreeMap<String, NodeId>,
        durable: BTreeMap<String, NodeId>,
    },
    File {
        data: Vec<u8>,
        durable: Vec<u8>,
        /// Extents written since the last sync.
        unsynced: Vec<(usize, usize)>,
    },
}

/// A small generator, the same on every machine.
#[derive(Clone, Debug)]
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub(crate) fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) % limit.max(1)
    }
}

const ROOT: NodeId = 0;

impl SimulatedDisk {
    /// An empty disk.
    pub(crate) fn new(seed: u64) -> Self {
        let root = Node::Folder {
            names: BTreeMap::new(),
            durable: BTreeMap::new(),
        };
        Self {
            state: Arc::new(Mutex::new(State {
                nodes: HashMap::from([(ROOT, root)]),
                next: 1,
                random: Random::new(seed),
                left: None,
                failure: None,
                era: 0,
                is_locked: false,
            })),
            era: 0,
        }
    }

    /// Lets the power go after `operations` more of them.
    pub(crate) fn cut_after(&self, operations: u64) {
        self.state().left = Some(operations);
    }

    /// Lets one operation fail after `operations` more of them.
    pub(crate) fn fail_after(&self, operations: u64, kind: io::ErrorKind) {
        self.state().failure = Some((operations, kind));
    }

    /// Whether that is still to come.
    pub(crate) fn has_failure_left(&self) -> bool {
        self.state().failure.is_some()
    }

    /// The power comes back: what was not synced is there or not, as the seed says.
    pub(crate) fn crash(&mut self) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let State { nodes, random, .. } = &mut *state;
        for node in nodes.values_mut() {
            node.crash(random);
        }
        drop(state);
        self.kill();
    }

    /// The process is killed, not the machine: what it wrote is there, synced or not.
    pub(crate) fn kill(&mut self) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.left = None;
        state.failure = None;
        state.era += 1;
        state.is_locked = false;
        self.era = state.era;
    }

    /// The disk for one operation; fails once the power is gone.
    fn operate(&self) -> io::Result<MutexGuard<'_, State>> {
        let mut state = self.state();
        if state.era != self.era {
            return Err(io::Error::other("from before the crash"));
        }
        match state.failure.take() {
            Some((0, kind)) => return Err(kind.into()),
            Some((left, kind)) => state.failure = Some((left - 1, kind)),
            None => {}
        }
        match &mut state.left {
            Some(0) => Err(io::Error::other("the power is gone")),
            Some(left) => {
                *left -= 1;
                Ok(state)
            }
            None => Ok(state),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Node {
    fn crash(&mut self, random: &mut Random) {
        match self {
            Self::Folder { names, durable } => {
                let mut after = durable.clone();
                for name in names.keys().chain(durable.keys()) {
                    if names.get(name) != durable.get(name) && random.below(2) == 0 {
                        match names.get(name) {
                            Some(node) => after.insert(name.clone(), *node),
                            None => after.remove(name),
                        };
                    }
                }
                *names = after.clone();
                *durable = after;
            }
            Self::File {
                data,
                durable,
                unsynced,
            } => {
                if unsynced.is_empty() {
                    return;
                }
                let mut after = durable.clone();
                for &(start, end) in unsynced.iter() {
                    // Each extent has its own fate, whatever came of those before it.
                    let kept = match random.below(4) {
                        0 => continue,
                        1 => start + random.below((end - start) as u64) as usize,
                        _ => end,
                    };
                    after.resize(after.len().max(kept), 0);
                    after[start..kept].copy_from_slice(&data[start..kept]);
                    if kept == end && random.below(8) == 0 {
                        let flipped = start + random.below((end - start) as u64) as usize;
                        after[flipped] ^= 0x40;
                    }
                }
                *data = after.clone();
                *durable = after;
                unsynced.clear();
            }
        }
    }
}

impl State {
    fn find(&self, path: &Path) -> Option<NodeId> {
        let mut node = ROOT;
        for part in path.iter().filter(|part| *part != "/") {
            let Node::Folder { names, .. } = self.nodes.get(&node)? else {
                return None;
            };
            node = *names.get(part.to_str()?)?;
        }
        Some(node)
    }

    /// The names in the folder that holds `path`, and the name in it.
    fn parent(&mut self, path: &Path) -> io::Result<(&mut BTreeMap<String, NodeId>, String)> {
        let folder = path
            .parent()
            .and_then(|folder| self.find(folder))
            .and_then(|node| self.nodes.get_mut(&node));
        let name = path.file_name().and_then(|name| name.to_str());
        match (folder, name) {
            (Some(Node::Folder { names, .. }), Some(name)) => Ok((names, name.to_owned())),
            _ => Err(io::ErrorKind::NotFound.into()),
        }
    }

    fn add(&mut self, path: &Path, node: Node) -> io::Result<NodeId> {
        let id = self.next;
        let (names, name) = self.parent(path)?;
        if names.contains_key(&name) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        names.insert(name, id);
        self.nodes.insert(id, node);
        self.next += 1;
        Ok(id)
    }
}

impl Disk for SimulatedDisk {
    fn create_folder(&self, path: &Path) -> io::Result<()> {
        let mut state = self.operate()?;
        let folder = Node::Folder {
            names: BTreeMap::new(),
            durable: BTreeMap::new(),
        };
        state.add(path, folder).map(|_| ())
    }

    fn sync_folder(&self, path: &Path) -> io::Result<()> {
        let mut state = self.operate()?;
        let node = state.find(path).ok_or(io::ErrorKind::NotFound)?;
        match state.nodes.get_mut(&node) {
            Some(Node::Folder { names, durable }) => {
                *durable = names.clone();
                Ok(())
            }
            _ => Err(io::ErrorKind::NotADirectory.into()),
        }
    }

    fn create(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        let mut state = self.operate()?;
        let file = Node::File {
            data: Vec::new(),
            durable: Vec::new(),
            unsynced: Vec::new(),
        };
        let node = state.add(path, file)?;
        Ok(Box::new(SimulatedFile {
            disk: self.clone(),
            node,
        }))
    }

    fn open(&self, path: &Path) -> io::Result<Opened> {
        let state = self.operate()?;
        let Some(node) = state.find(path) else {
            return Ok(Opened::Missing);
        };
        match state.nodes.get(&node) {
            Some(Node::File { .. }) => Ok(Opened::File(Box::new(SimulatedFile {
                disk: self.clone(),
                node,
            }))),
            _ => Ok(Opened::Irregular),
        }
    }

    fn look(&self, path: &Path) -> io::Result<Option<Entry>> {
        let state = self.operate()?;
        let node = state.find(path).and_then(|node| state.nodes.get(&node));
        Ok(node.map(|node| match node {
            Node::File { data, .. } => Entry {
                is_file: true,
                size_bytes: data.len() as u64,
            },
            Node::Folder { .. } => Entry {
                is_file: false,
                size_bytes: 0,
            },
        }))
    }

    fn exists(&self, path: &Path) -> io::Result<bool> {
        Ok(self.look(path)?.is_some())
    }

    fn list(&self, path: &Path) -> io::Result<Vec<String>> {
        let state = self.operate()?;
        match state.find(path).and_then(|node| state.nodes.get(&node)) {
            Some(Node::Folder { names, .. }) => Ok(names.keys().cloned().collect()),
            _ => Err(io::ErrorKind::NotFound.into()),
        }
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut state = self.operate()?;
        let node = state.find(from).ok_or(io::ErrorKind::NotFound)?;
        let (names, name) = state.parent(to)?;
        names.insert(name, node);
        let (names, name) = state.parent(from)?;
        names.remove(&name);
        Ok(())
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let mut state = self.operate()?;
        let (names, name) = state.parent(path)?;
        match names.remove(&name) {
            Some(_) => Ok(()),
            None => Err(io::ErrorKind::NotFound.into()),
        }
    }

    fn lock(&self, _path: &Path) -> io::Result<Option<Box<dyn Lock>>> {
        let mut state = self.operate()?;
        if std::mem::replace(&mut state.is_locked, true) {
            return Ok(None);
        }
        Ok(Some(Box::new(SimulatedLock { disk: self.clone() })))
    }
}

#[derive(Debug)]
struct SimulatedLock {
    disk: SimulatedDisk,
}

impl Lock for SimulatedLock {}

impl Drop for SimulatedLock {
    fn drop(&mut self) {
        let mut state = self.disk.state();
        if state.era == self.disk.era {
            state.is_locked = false;
        }
    }
}

#[derive(Debug)]
struct SimulatedFile {
    disk: SimulatedDisk,
    node: NodeId,
}

impl SimulatedFile {
    fn with<T>(&self, work: impl FnOnce(&mut Node) -> T) -> io::Result<T> {
        let mut state = self.disk.operate()?;
        match state.nodes.get_mut(&self.node) {
            Some(node) => Ok(work(node)),
            None => Err(io::ErrorKind::NotFound.into()),
        }
    }
}

impl DiskFile for SimulatedFile {
    fn write_all(&mut self, new: &[u8]) -> io::Result<()> {
        // In blocks, as a page cache would write them back.
        for block in new.chunks(4096) {
            self.with(|node| {
                if let Node::File { data, unsynced, .. } = node {
                    unsynced.push((data.len(), data.len() + block.len()));
                    data.extend_from_slice(block);
                }
            })?;
        }
        Ok(())
    }

    fn sync(&mut self) -> io::Result<()> {
        self.with(|node| {
            if let Node::File {
                data,
                durable,
                unsynced,
            } = node
            {
                durable.clone_from(data);
                unsynced.clear();
            }
        })
    }

    fn size_bytes(&self) -> io::Result<u64> {
        self.with(|node| match node {
            Node::File { data, .. } => data.len() as u64,
            Node::Folder { .. } => 0,
        })
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        self.with(|node| {
            let Node::File { data, .. } = node else {
                return 0;
            };
            let start = usize::try_from(offset)
                .unwrap_or(usize::MAX)
                .min(data.len());
            let length = buffer.len().min(data.len() - start);
            buffer[..length].copy_from_slice(&data[start..start + length]);
            length
        })
    }

    fn reopen(&self) -> io::Result<Option<std::fs::File>> {
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn content(disk: &SimulatedDisk, path: &str) -> Option<Vec<u8>> {
        let Opened::File(file) = disk.open(Path::new(path)).expect("an answer") else {
            return None;
        };
        let mut data = vec![0; file.size_bytes().expect("a size") as usize];
        file.read_at(&mut data, 0).expect("a read");
        Some(data)
    }

    /// The simulator itself: the fates it must be able to deal out, or the tests on it prove
    /// nothing.
    #[test]
    fn unsynced_data_and_names_meet_every_fate_and_synced_ones_none() {
        let mut seen = std::collections::BTreeSet::new();
        for seed in 0..200 {
            let mut disk = SimulatedDisk::new(seed);
            for (name, is_file_synced) in [("/kept", true), ("/loose", false)] {
                let mut file = disk.create(Path::new(name)).expect("a file");
                file.write_all(&[7; 6000]).expect("a write");
                if is_file_synced {
                    file.sync().expect("a sync");
                }
            }
            disk.sync_folder(Path::new("/")).expect("a sync");
            let mut file = disk.create(Path::new("/nameless")).expect("a file");
            file.write_all(&[8; 10]).expect("a write");
            file.sync().expect("a sync");
            disk.rename(Path::new("/nameless"), Path::new("/renamed"))
                .expect("a rename");
            disk.crash();
            assert!(file.sync().is_err(), "opened before the crash");
            assert_eq!(content(&disk, "/kept"), Some(vec![7; 6000]));
            let loose = content(&disk, "/loose").expect("its name is durable");
            let loose = match loose {
                data if data.is_empty() => "empty",
                data if data == [7; 6000] => "whole",
                data if data.len() == 6000 && data.starts_with(&[0; 4096]) => "hole",
                data if data.len() < 6000 && data.iter().all(|byte| *byte == 7) => "cut",
                _ => "garbage",
            };
            seen.insert(loose);
            match (content(&disk, "/nameless"), content(&disk, "/renamed")) {
                (None, None) => seen.insert("unnamed"),
                (None, Some(data)) if data == [8; 10] => seen.insert("named"),
                other => panic!("{other:?}"),
            };
        }
        let all = [
            "cut", "empty", "garbage", "hole", "named", "unnamed", "whole",
        ];
        assert!(seen.into_iter().eq(all));
    }

    #[test]
    fn nothing_works_while_the_power_is_gone() {
        let mut disk = SimulatedDisk::new(1);
        disk.cut_after(1);
        disk.create_folder(Path::new("/a"))
            .expect("the last operation");
        assert!(disk.look(Path::new("/a")).is_err());
        disk.crash();
        assert!(disk.look(Path::new("/a")).is_ok());
    }
}
