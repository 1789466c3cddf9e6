//! Files: read with the place of every error known, written so that nothing is lost.

mod disk;
mod error;
#[cfg(test)]
pub(crate) mod faults;
mod source;

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

pub(crate) use disk::{Disk, Os};
pub use error::{FileError, Place, Problem};
pub(crate) use source::Source;

/// Opens `path` for reading, through decompression where the first two bytes are those of gzip; the name is not asked.
pub(crate) fn open(path: &Path) -> Result<Box<dyn Read>, FileError> {
    let open = || -> io::Result<Box<dyn Read>> {
        let mut file = BufReader::with_capacity(1 << 16, File::open(path)?);
        let is_gzip = file.fill_buf()?.starts_with(&[0x1f, 0x8b]);
        Ok(if is_gzip { Box::new(flate2::bufread::MultiGzDecoder::new(file)) } else { Box::new(file) })
    };
    open().map_err(|error| FileError::whole(path, error))
}

/// Writes a file so that, whatever fails or whenever the process is killed, `path` holds either all of `bytes` or what
/// it held before: the bytes go to a new file beside it, reach the disk, and then take the name in one step.
///
/// A symbolic link stays and the file that it points to is replaced; the new one has its permissions.
///
/// # Errors
/// If the directory is missing or cannot be written, the disk is full, or `path` is something other than a file. The
/// new file is removed again.
///
/// ```
/// let path = std::env::temp_dir().join("nn-atomic-write-example.txt");
/// nn::file::atomic_write(&path, b"first")?;
/// nn::file::atomic_write(&path, b"second")?;
/// assert_eq!(std::fs::read(&path).unwrap(), b"second");
/// # std::fs::remove_file(&path).unwrap();
/// # Ok::<(), nn::file::FileError>(())
/// ```
pub fn atomic_write(path: &Path, bytes: &[u8]) -> Result<(), FileError> {
    atomic_write_on(&Os, path, bytes)
}

/// [`atomic_write`] on any disk.
pub(crate) fn atomic_write_on(disk: &impl Disk, path: &Path, bytes: &[u8]) -> Result<(), FileError> {
    replace(disk, path, bytes).map_err(|error| FileError::whole(path, error))
}

/// Finds out whether [`atomic_write`] could write `path` now, before long work whose result is to go there. `path` and
/// what it holds are left alone.
///
/// # Errors
/// Those of [`atomic_write`].
pub fn check_writable(path: &Path) -> Result<(), FileError> {
    let create_and_remove = || {
        let (file, temporary) = create_beside(&Os, &destination(path)?)?;
        drop(file);
        fs::remove_file(temporary)
    };
    create_and_remove().map_err(|error| FileError::whole(path, error))
}

fn replace(disk: &impl Disk, path: &Path, bytes: &[u8]) -> io::Result<()> {
    let path = destination(path)?;
    let (mut file, temporary) = create_beside(disk, &path)?;
    let written = keep_permissions(&path, &temporary)
        .and_then(|()| write_all(disk, &mut file, bytes))
        .and_then(|()| disk.sync(&file));
    drop(file);
    if let Err(error) = written.and_then(|()| disk.rename(&temporary, &path)) {
        // If this fails too, the first error says more.
        let _ = disk.remove(&temporary);
        return Err(error);
    }
    // The new name is on the disk only when the directory is.
    disk.sync_directory(directory_of(&path))
}

/// A file that only its owner may read stays so.
fn keep_permissions(replaced: &Path, by: &Path) -> io::Result<()> {
    match fs::metadata(replaced) {
        Ok(metadata) => fs::set_permissions(by, metadata.permissions()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}

fn write_all<D: Disk>(disk: &D, file: &mut D::File, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        match disk.write(file, bytes) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(written) => bytes = &bytes[written.min(bytes.len())..],
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// The file that a write to `path` replaces or creates, behind any symbolic links.
fn destination(path: &Path) -> io::Result<PathBuf> {
    let path = match fs::canonicalize(path) {
        Ok(existing) => existing,
        Err(error) if error.kind() == io::ErrorKind::NotFound => path.to_owned(),
        Err(error) => return Err(error),
    };
    // A rename would replace even a device such as /dev/null by a file.
    if path.exists() && !path.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "exists and is not a regular file"));
    }
    Ok(path)
}

fn directory_of(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Creates a file in the directory of `path` that did not exist before, called `.name.process.number.tmp`.
fn create_beside<D: Disk>(disk: &D, path: &Path) -> io::Result<(D::File, PathBuf)> {
    let name = path.file_name().ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "not the name of a file"))?;
    let mut number = 0;
    loop {
        let mut temporary = OsString::from(".");
        temporary.push(name);
        temporary.push(format!(".{}.{number}.tmp", std::process::id()));
        let temporary = directory_of(path).join(temporary);
        match disk.create_new(&temporary) {
            Ok(file) => return Ok((file, temporary)),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => number += 1,
            Err(error) => return Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(directory: &Path) -> Vec<OsString> {
        let mut names: Vec<_> = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        names
    }

    #[test]
    fn a_file_is_created_and_replaced() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("out");
        for bytes in [&b"first"[..], b"", b"a longer third"] {
            atomic_write(&path, bytes).unwrap();
            check_writable(&path).unwrap();
            assert_eq!(fs::read(&path).unwrap(), bytes);
            assert_eq!(names(directory.path()), ["out"]);
        }
    }

    #[test]
    fn what_cannot_be_written_leaves_everything_as_it_was() {
        let directory = tempfile::tempdir().unwrap();
        let existing = directory.path().join("old");
        fs::write(&existing, "old").unwrap();
        fs::create_dir(directory.path().join("sub")).unwrap();
        fs::write(directory.path().join("sub/kept"), "kept").unwrap();

        for bad in ["sub", "missing/file", "old/file", "sub/..", ""] {
            let error = atomic_write(&directory.path().join(bad), b"new").unwrap_err();
            assert!(matches!(error.problem, Problem::Io(_)), "{bad:?}: {error}");
            let foreseen = check_writable(&directory.path().join(bad)).unwrap_err();
            assert_eq!(foreseen.to_string(), error.to_string(), "{bad:?}");
        }
        let too_long = directory.path().join("n".repeat(255));
        assert!(atomic_write(&too_long, b"new").is_err(), "the temporary name is longer than a name may be");

        assert_eq!(names(directory.path()), ["old", "sub"]);
        assert_eq!(names(&directory.path().join("sub")), ["kept"]);
        assert_eq!(fs::read(&existing).unwrap(), b"old");
    }

    #[test]
    fn temporary_names_do_not_collide() {
        let directory = tempfile::tempdir().unwrap();
        let (_, first) = create_beside(&Os, &directory.path().join("out")).unwrap();
        let (_, second) = create_beside(&Os, &directory.path().join("out")).unwrap();
        assert_ne!(first, second);
    }

    #[cfg(unix)]
    #[test]
    fn permissions_are_those_of_the_file_that_is_replaced() {
        use std::os::unix::fs::PermissionsExt;
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("out");
        fs::write(&path, "secret").unwrap();
        for mode in [0o600, 0o640, 0o666] {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            atomic_write(&path, b"another secret").unwrap();
            assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, mode);
        }
    }

    /// A socket stands for everything that is neither a file nor a directory, such as a device.
    #[cfg(unix)]
    #[test]
    fn other_than_files_is_refused_and_links_are_followed() {
        let directory = tempfile::tempdir().unwrap();
        let socket = directory.path().join("socket");
        let _listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
        let error = atomic_write(&socket, b"new").unwrap_err().to_string();
        assert!(error.contains("socket") && error.contains("regular"), "{error}");

        let (file, link) = (directory.path().join("file"), directory.path().join("link"));
        fs::write(&file, "old").unwrap();
        std::os::unix::fs::symlink(&file, &link).unwrap();
        atomic_write(&link, b"new").unwrap();
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(fs::read(&file).unwrap(), b"new");
    }
}
