//! A disk whose calls fail, and the test that whatever fails leaves the old or the new file.

use std::cell::{Cell, RefCell};
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use super::{Disk, Os, atomic_write_on};

/// What happens at a call.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Fault {
    /// It fails; a write has written half of its bytes before.
    Error(io::ErrorKind),
    /// A write writes one byte only, and says so; other calls work.
    Short,
    /// The process is killed before it takes effect, so that no call comes after it.
    Killed,
    /// The power fails after it took effect: what was not synced is lost.
    PowerCut,
}

pub(crate) const FAULTS: [Fault; 6] = [
    Fault::Error(io::ErrorKind::StorageFull),
    Fault::Error(io::ErrorKind::Interrupted),
    Fault::Error(io::ErrorKind::PermissionDenied),
    Fault::Short,
    Fault::Killed,
    Fault::PowerCut,
];

/// The real disk with a fault at one of its calls.
pub(crate) struct Faulty {
    fault: Fault,
    /// Calls until the fault.
    left: Cell<usize>,
    dead: Cell<bool>,
    /// Files whose bytes are not on the disk yet, by the name that they have now.
    unsynced: RefCell<Vec<PathBuf>>,
    /// What a name meant before a rename that is not on the disk yet.
    renamed: RefCell<Option<(PathBuf, Option<Vec<u8>>)>>,
}

impl Faulty {
    /// With the fault at call number `call`, counted from 0.
    pub(crate) fn new(fault: Fault, call: usize) -> Self {
        let (left, dead) = (Cell::new(call + 1), Cell::new(false));
        Faulty { fault, left, dead, unsynced: RefCell::default(), renamed: RefCell::default() }
    }

    /// Whether the fault has happened.
    pub(crate) fn happened(&self) -> bool {
        self.left.get() == 0
    }

    /// Counts a call; the fault, if this is the call for it. After a kill every call fails.
    fn next(&self) -> io::Result<Option<Fault>> {
        if self.dead.get() {
            return Err(io::Error::other("dead"));
        }
        let is_now = self.left.get() == 1;
        self.left.set(self.left.get().saturating_sub(1));
        Ok(is_now.then_some(self.fault))
    }

    /// Runs a call that is no write.
    fn call<T>(&self, f: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
        match self.next()? {
            Some(Fault::Error(kind)) => Err(kind.into()),
            Some(Fault::Killed) => self.die(),
            Some(Fault::PowerCut) => {
                f()?;
                self.cut_power();
                self.die()
            }
            Some(Fault::Short) | None => f(),
        }
    }

    fn die<T>(&self) -> io::Result<T> {
        self.dead.set(true);
        Err(io::Error::other("dead"))
    }

    /// Undoes what is not on the disk: the worst that may be.
    fn cut_power(&self) {
        for path in self.unsynced.borrow_mut().drain(..) {
            if path.exists() {
                fs::write(path, "").unwrap();
            }
        }
        match self.renamed.borrow_mut().take() {
            Some((path, Some(old))) => fs::write(path, old).unwrap(),
            Some((path, None)) => fs::remove_file(path).unwrap(),
            None => {}
        }
    }
}

impl Disk for Faulty {
    type File = (File, PathBuf);

    fn create_new(&self, path: &Path) -> io::Result<Self::File> {
        self.call(|| {
            let file = Os.create_new(path)?;
            self.unsynced.borrow_mut().push(path.to_owned());
            Ok((file, path.to_owned()))
        })
    }

    fn write(&self, (file, _): &mut Self::File, bytes: &[u8]) -> io::Result<usize> {
        match self.next()? {
            Some(Fault::Error(io::ErrorKind::Interrupted)) => Err(io::ErrorKind::Interrupted.into()),
            Some(Fault::Error(kind)) => {
                Os.write(file, &bytes[..bytes.len() / 2])?;
                Err(kind.into())
            }
            Some(Fault::Short) => Os.write(file, &bytes[..1]),
            Some(Fault::Killed) => {
                Os.write(file, &bytes[..bytes.len() / 2])?;
                self.die()
            }
            Some(Fault::PowerCut) => {
                Os.write(file, bytes)?;
                self.cut_power();
                self.die()
            }
            None => Os.write(file, bytes),
        }
    }

    fn sync(&self, (file, path): &Self::File) -> io::Result<()> {
        self.call(|| {
            Os.sync(file)?;
            self.unsynced.borrow_mut().retain(|unsynced| unsynced != path);
            Ok(())
        })
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.call(|| {
            let old = fs::read(to).ok();
            Os.rename(from, to)?;
            *self.renamed.borrow_mut() = Some((to.to_owned(), old));
            self.unsynced.borrow_mut().iter_mut().filter(|path| *path == from).for_each(|path| *path = to.to_owned());
            Ok(())
        })
    }

    fn sync_directory(&self, path: &Path) -> io::Result<()> {
        self.call(|| {
            Os.sync_directory(path)?;
            *self.renamed.borrow_mut() = None;
            Ok(())
        })
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.call(|| Os.remove(path))
    }
}

/// Calls `check` after a write of `new` over `old` with each fault at each call, with the error of the write, if any; returns
/// how many faults there were.
pub(crate) fn with_each_fault(
    old: Option<&[u8]>,
    new: &[u8],
    mut check: impl FnMut(&Path, Fault, Option<super::FileError>),
) -> usize {
    let mut faults = 0;
    for fault in FAULTS {
        for call in 0.. {
            let directory = tempfile::tempdir().unwrap();
            let path = directory.path().join("file");
            old.iter().for_each(|old| fs::write(&path, old).unwrap());
            let disk = Faulty::new(fault, call);
            let result = atomic_write_on(&disk, &path, new);
            if !disk.happened() {
                assert!(result.is_ok());
                break;
            }
            faults += 1;
            check(&path, fault, result.err());
        }
    }
    faults
}

#[test]
fn whatever_fails_leaves_the_old_file_or_the_new_one() {
    for old in [None, Some(&b"the old file"[..])] {
        let new = b"the new file, which is longer";
        let mut outcomes = [0, 0];
        let faults = with_each_fault(old, new, |path, fault, error| {
            let found = fs::read(path).ok();
            let is_new = found.as_deref() == Some(new);
            assert!(is_new || found.as_deref() == old, "{fault:?}: {found:?}");
            outcomes[usize::from(is_new)] += 1;
            assert!(is_new || error.is_some(), "{fault:?}: not written, but no error");
            let names = fs::read_dir(path.parent().unwrap()).unwrap().count();
            let expected = usize::from(path.exists());
            let left_behind = matches!(fault, Fault::Killed | Fault::PowerCut);
            assert!(names == expected || left_behind, "{fault:?}: {names} files");
        });
        // Create, write, sync, rename, sync of the directory.
        assert!(faults >= 5 * FAULTS.len(), "{faults} faults");
        assert!(outcomes.iter().all(|&count| count >= FAULTS.len()), "{outcomes:?}");
    }
}
