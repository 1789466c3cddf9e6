//! NumPy's archives of arrays, `.npz`: ZIP files of `.npy` files, stored or deflated.
//!
//! ZIP: PKWARE's APPNOTE, sections 4.3.7, 4.3.12 to 4.3.16 and 4.5.3. The directory at the end of the file has the true sizes;
//! NumPy leaves them out of what precedes each member.

use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use flate2::Crc;
use flate2::bufread::DeflateDecoder;

use super::Dataset;
use super::npy::{Array, from_arrays};
use crate::error::Result;
use crate::file::{FileError, Problem};

/// The end of the directory and the longest comment behind it.
const LONGEST_END: u64 = 22 + 65_535;
/// What stands in the place of a size that needs 64 bits.
const ELSEWHERE: u64 = 0xffff_ffff;
/// The length of an entry of the directory without its name, extra field and comment.
const ENTRY: u64 = 46;
const CUT: &str = "its directory is cut short";

impl Dataset {
    /// Reads features and targets from the arrays of these names in a file of `numpy.savez` or `numpy.savez_compressed`; what
    /// they may be is said at [`from_npy`](Self::from_npy).
    ///
    /// ```no_run
    /// use nn::data::Dataset;
    /// // numpy.savez("digits.npz", x=x, y=y)
    /// let digits = Dataset::from_npz("digits.npz", "x", "y", None)?;
    /// # Ok::<(), nn::Error>(())
    /// ```
    ///
    /// # Errors
    /// Those of [`from_npy`](Self::from_npy), with the array as if it were a file in the archive; if the file is no such
    /// archive, has no such array or a checksum is wrong. Memory grows with what the arrays hold, whatever headers claim.
    pub fn from_npz(path: impl AsRef<Path>, features: &str, targets: &str, classes: Option<usize>) -> Result<Self> {
        let mut archive = Archive::open(path.as_ref())?;
        let (features, targets) = (archive.array(features)?, archive.array(targets)?);
        from_arrays(features, targets, classes)
    }
}

struct Archive<'a> {
    path: &'a Path,
    file: BufReader<File>,
    members: Vec<Member>,
}

/// An entry of the directory.
#[derive(Clone)]
struct Member {
    name: String,
    is_deflated: bool,
    crc: u32,
    packed_len: u64,
    offset: u64,
}

impl<'a> Archive<'a> {
    fn open(path: &'a Path) -> Result<Self, FileError> {
        let whole = |error: io::Error| FileError::whole(path, error);
        let file = BufReader::new(File::open(path).map_err(whole)?);
        let mut archive = Archive { path, file, members: Vec::new() };
        archive.members = archive.directory()?;
        Ok(archive)
    }

    fn broken(&self, what: &'static str) -> FileError {
        FileError::whole(self.path, Problem::Zip(what))
    }

    /// The bytes from `offset` on; fewer where the file ends.
    fn bytes(&mut self, offset: u64, len: u64) -> Result<Vec<u8>, FileError> {
        let mut bytes = Vec::new();
        let read = self.file.seek(SeekFrom::Start(offset));
        let read = read.and_then(|_| (&mut self.file).take(len).read_to_end(&mut bytes));
        read.map_err(|error| FileError::whole(self.path, error))?;
        Ok(bytes)
    }

    fn directory(&mut self) -> Result<Vec<Member>, FileError> {
        let len = self.file.seek(SeekFrom::End(0)).map_err(|error| FileError::whole(self.path, error))?;
        let tail_offset = len.saturating_sub(LONGEST_END);
        let tail = self.bytes(tail_offset, LONGEST_END)?;
        let end = (0..tail.len().saturating_sub(21)).rev().find(|&at| tail[at..].starts_with(b"PK\x05\x06"));
        let Some(end) = end else { return Err(self.broken("it has no directory")) };
        let (mut size, mut offset) = (number(&tail[end..], 12, 4), number(&tail[end..], 16, 4));
        if offset == Some(ELSEWHERE) || size == Some(ELSEWHERE) {
            // The locator of the end with 64 bits lies before the other one.
            let locator = end.checked_sub(20).map(|at| &tail[at..]).filter(|tail| tail.starts_with(b"PK\x06\x07"));
            let place = locator.and_then(|locator| number(locator, 8, 8));
            let end64 = self.bytes(place.ok_or_else(|| self.broken("its directory has no place"))?, 56)?;
            if !end64.starts_with(b"PK\x06\x06") {
                return Err(self.broken("its directory has no place"));
            }
            (size, offset) = (number(&end64, 40, 8), number(&end64, 48, 8));
        }
        let (mut members, mut place) = (Vec::new(), offset.unwrap_or(len));
        let directory_end = place.saturating_add(size.unwrap_or(0)).min(len);
        // Entry by entry, as the size may be anything.
        while place < directory_end {
            let fixed = self.bytes(place, ENTRY.min(directory_end - place))?;
            let len = Member::len(&fixed).map_err(|what| self.broken(what))?;
            let entry = self.bytes(place, len.min(directory_end - place))?;
            members.push(Member::parse(&entry).map_err(|what| self.broken(what))?);
            place += len;
        }
        Ok(members)
    }

    fn array(&mut self, name: &str) -> Result<Array, FileError> {
        let known = || self.members.iter().map(|member| member.name.clone()).collect();
        let Some(member) = self.members.iter().find(|member| member.name == name).cloned() else {
            return Err(FileError::whole(self.path, Problem::NoArray { name: name.to_owned(), known: known() }));
        };
        let header = self.bytes(member.offset, 30)?;
        let lengths = number(&header, 26, 2).zip(number(&header, 28, 2));
        let Some((name_len, extra_len)) = lengths.filter(|_| header.starts_with(b"PK\x03\x04")) else {
            return Err(self.broken("a member is not where the directory says"));
        };
        // The header was there, so the sum fits.
        let start = member.offset + 30 + name_len + extra_len;
        self.file.seek(SeekFrom::Start(start)).map_err(|error| FileError::whole(self.path, error))?;
        let path: PathBuf = self.path.join(format!("{name}.npy"));
        let packed = (&mut self.file).take(member.packed_len);
        if member.is_deflated {
            Array::read(path, Checked::new(DeflateDecoder::new(packed), member.crc))
        } else {
            Array::read(path, Checked::new(packed, member.crc))
        }
    }
}

impl Member {
    /// The length of the entry of a directory that begins with `entry`.
    fn len(entry: &[u8]) -> Result<u64, &'static str> {
        if !entry.starts_with(b"PK\x01\x02") {
            return Err("its directory is damaged");
        }
        let field = |at| number(entry, at, 2).ok_or(CUT);
        Ok(ENTRY + field(28)? + field(30)? + field(32)?)
    }

    /// The entry of a directory.
    fn parse(entry: &[u8]) -> Result<Self, &'static str> {
        let field = |at, width| number(entry, at, width).ok_or(CUT);
        let (name_len, extra_len) = (field(28, 2)?, field(30, 2)?);
        let names = entry.get(ENTRY as usize..Self::len(entry)? as usize).ok_or(CUT)?;
        let (name, rest) = names.split_at(name_len as usize);
        let name = String::from_utf8_lossy(name);
        if field(8, 2)? & 1 != 0 {
            return Err("it is encrypted");
        }
        let is_deflated = match field(10, 2)? {
            0 => false,
            8 => true,
            _ => return Err("a member is neither stored nor deflated"),
        };
        let [mut packed_len, full_len, mut offset] = [field(20, 4)?, field(24, 4)?, field(42, 4)?];
        // The extra field of 64-bit numbers has those that did not fit, in this order.
        let mut wide = wide_numbers(&rest[..extra_len as usize]);
        if full_len == ELSEWHERE {
            wide.next();
        }
        for number in [&mut packed_len, &mut offset] {
            if *number == ELSEWHERE {
                *number = wide.next().ok_or(CUT)?;
            }
        }
        // So that a place behind the header of a member can be computed.
        if offset > u64::MAX / 2 {
            return Err("a member lies past its end");
        }
        let name = name.strip_suffix(".npy").unwrap_or(&name).to_owned();
        Ok(Member { name, is_deflated, crc: field(16, 4)? as u32, packed_len, offset })
    }
}

/// The numbers of the extra field 1.
fn wide_numbers(mut extra: &[u8]) -> impl Iterator<Item = u64> {
    let mut numbers = Vec::new();
    while let Some((id, len)) = number(extra, 0, 2).zip(number(extra, 2, 2)) {
        let Some(field) = extra.get(4..4 + len as usize) else { break };
        if id == 1 {
            numbers.extend(field.chunks_exact(8).filter_map(|wide| number(wide, 0, 8)));
        }
        extra = &extra[4 + len as usize..];
    }
    numbers.into_iter()
}

/// The little-endian number of `width` bytes at `at`.
fn number(bytes: &[u8], at: usize, width: usize) -> Option<u64> {
    let bytes = bytes.get(at..at + width)?;
    Some(bytes.iter().rev().fold(0, |number, &byte| number << 8 | u64::from(byte)))
}

/// Compares the checksum of all that is read from it at its end.
struct Checked<R> {
    source: R,
    crc: Crc,
    expected: u32,
}

impl<R> Checked<R> {
    fn new(source: R, expected: u32) -> Self {
        Checked { source, crc: Crc::new(), expected }
    }
}

impl<R: Read> Read for Checked<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.source.read(buffer)?;
        self.crc.update(&buffer[..read]);
        if read == 0 && !buffer.is_empty() && self.crc.sum() != self.expected {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "the checksum is wrong"));
        }
        Ok(read)
    }
}
