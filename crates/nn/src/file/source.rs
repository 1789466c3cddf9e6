//! Bytes that are read from first to last, with their place known.

use std::io::{self, Read};
use std::path::{Path, PathBuf};

use super::{FileError, Place, Problem, open};

/// Bytes, and how many were read.
pub(crate) struct Source<R> {
    pub(crate) path: PathBuf,
    source: R,
    offset: u64,
}

impl Source<Box<dyn Read>> {
    /// A file, through decompression where it is compressed with gzip.
    pub(crate) fn open(path: &Path) -> Result<Self, FileError> {
        Ok(Source::new(path.to_owned(), open(path)?))
    }
}

impl<R: Read> Source<R> {
    /// `path` is for errors.
    pub(crate) fn new(path: PathBuf, source: R) -> Self {
        Source { path, source, offset: 0 }
    }

    /// How many bytes were read.
    pub(crate) fn offset(&self) -> u64 {
        self.offset
    }

    pub(crate) fn error_at(&self, byte: u64, problem: impl Into<Problem>) -> FileError {
        FileError::new(&self.path, Place::Byte(byte), problem)
    }

    /// Fills `buffer` with the next bytes of what should have `expected` bytes.
    pub(crate) fn fill(&mut self, buffer: &mut [u8], expected: u64) -> Result<(), FileError> {
        let mut filled = 0;
        while filled < buffer.len() {
            match self.read(&mut buffer[filled..])? {
                0 => return Err(self.error_at(self.offset, Problem::Truncated { expected })),
                read => filled += read,
            }
        }
        Ok(())
    }

    /// Up to as many bytes as `buffer` has; 0 at the end.
    pub(crate) fn read(&mut self, buffer: &mut [u8]) -> Result<usize, FileError> {
        loop {
            match self.source.read(buffer) {
                Ok(read) => {
                    self.offset += read as u64;
                    return Ok(read);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(self.error_at(self.offset, error)),
            }
        }
    }

    /// An error unless all bytes, `expected` of them, were read. Reading on to the end also verifies checksums.
    pub(crate) fn end(&mut self, expected: u64) -> Result<(), FileError> {
        match self.read(&mut [0])? {
            0 => Ok(()),
            _ => Err(self.error_at(expected, Problem::TrailingBytes { expected })),
        }
    }
}
