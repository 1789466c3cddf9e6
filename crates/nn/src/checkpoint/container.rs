//! The file format: safetensors, with one entry in its metadata.
//!
//! The entry is lines of a key, a space and a value. The first is the CRC-32 of the whole file with zeros in the place of its
//! own eight digits: it finds every change of up to 32 neighbouring bits, and all but one in 2^32 of the others. It lies at the
//! same byte in all files, so a change there cannot hide it.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use flate2::Crc;
use safetensors::tensor::{Dtype, Metadata, SafeTensorError, SafeTensors, TensorView};

use crate::file::Problem;

const KEY: &str = "nn";
const OPENING: &str = r#"{"__metadata__":{"nn":"crc32 "#;
const MARKER: &str = "crc32 ";
const DIGITS: usize = 8;
/// Where the digits are: behind the length of the header.
const PLACE: usize = size_of::<u64>() + OPENING.len();
const FORMAT: &str = "1";
/// Longer ones are refused by the library too.
const LONGEST_HEADER: u64 = 100_000_000;

/// A tensor to be written.
pub(super) struct Tensor {
    pub(super) name: String,
    pub(super) dtype: Dtype,
    pub(super) shape: Vec<usize>,
    pub(super) bytes: Vec<u8>,
}

/// Keys have no spaces and values no line breaks.
pub(super) fn serialize(tensors: &[Tensor], lines: &[(&str, String)]) -> Result<Vec<u8>, Problem> {
    let mut text = format!("{MARKER}{}\nformat {FORMAT}\n", "0".repeat(DIGITS));
    lines.iter().for_each(|(key, value)| text.push_str(&format!("{key} {value}\n")));
    let views = tensors.iter().map(|tensor| {
        Ok((&tensor.name, TensorView::new(tensor.dtype, tensor.shape.clone(), &tensor.bytes).map_err(broken)?))
    });
    let views = views.collect::<Result<Vec<_>, Problem>>()?;
    // The map of the library is another one with its feature `std`.
    let metadata = [(KEY.to_owned(), text)].into_iter().collect();
    let mut bytes = safetensors::serialize(views, Some(metadata)).map_err(broken)?;
    seal(&mut bytes);
    Ok(bytes)
}

/// The error in words, as a type of the library would tie its version to ours.
fn broken(error: SafeTensorError) -> Problem {
    Problem::Safetensors(error.to_string())
}

/// Puts the checksum in its place.
pub(super) fn seal(bytes: &mut [u8]) {
    let digits = digits(bytes);
    bytes[PLACE..PLACE + DIGITS].copy_from_slice(digits.as_bytes());
}

/// The checksum of a file, whatever it has in the place of the digits.
fn digits(bytes: &[u8]) -> String {
    let mut crc = Crc::new();
    crc.update(&bytes[..PLACE]);
    crc.update(&[b'0'; DIGITS]);
    crc.update(&bytes[PLACE + DIGITS..]);
    format!("{:08x}", crc.sum())
}

/// The bytes of the file at `path`: all that its header speaks of, and one more where it goes on after that, so that a file that is
/// much longer than it should be takes no memory.
pub(super) fn read_file(path: &Path) -> io::Result<Vec<u8>> {
    let (mut file, mut bytes) = (File::open(path)?, Vec::new());
    file.by_ref().take(size_of::<u64>() as u64).read_to_end(&mut bytes)?;
    let len = bytes.first_chunk().copied().map_or(0, u64::from_le_bytes);
    if len > LONGEST_HEADER {
        return Ok(bytes);
    }
    file.by_ref().take(len).read_to_end(&mut bytes)?;
    if let Ok(header) = serde_json::from_slice::<Metadata>(&bytes[bytes.len().min(size_of::<u64>())..]) {
        file.take((header.data_len() as u64).saturating_add(1)).read_to_end(&mut bytes)?;
    }
    Ok(bytes)
}

/// A file that was read.
pub(super) struct Container<'a> {
    pub(super) tensors: SafeTensors<'a>,
    /// None where the file was written by others.
    pub(super) lines: Option<BTreeMap<String, String>>,
}

impl<'a> Container<'a> {
    pub(super) fn parse(bytes: &'a [u8]) -> Result<Self, Problem> {
        let tensors = SafeTensors::deserialize(bytes).map_err(broken)?;
        let (_, header) = SafeTensors::read_metadata(bytes).map_err(broken)?;
        let lines = match header.metadata() {
            None => None,
            Some(metadata) => {
                lines(bytes, &metadata.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect())?
            }
        };
        Ok(Container { tensors, lines })
    }

    /// The value of a key, if the file is of a training.
    pub(super) fn value(&self, key: &str) -> Option<&str> {
        self.lines.as_ref()?.get(key).map(String::as_str)
    }
}

fn lines(bytes: &[u8], metadata: &BTreeMap<&str, &str>) -> Result<Option<BTreeMap<String, String>>, Problem> {
    // Either is a sign of our own files, as a change may have hit the other.
    if !metadata.contains_key(KEY) && metadata.values().all(|value| !value.starts_with(MARKER)) {
        return Ok(None);
    }
    let in_place = bytes[size_of::<u64>()..].starts_with(OPENING.as_bytes());
    let stored = bytes.get(PLACE..PLACE + DIGITS).filter(|_| in_place).unwrap_or_default();
    let computed = if in_place { digits(bytes) } else { String::new() };
    if stored.is_empty() || stored != computed.as_bytes() {
        let stored = String::from_utf8_lossy(stored).into_owned();
        return Err(Problem::Checksum { stored, computed });
    }
    let text = metadata.get(KEY).copied().unwrap_or_default();
    let lines = text.lines().filter_map(|line| line.split_once(' '));
    let lines: BTreeMap<_, _> = lines.map(|(key, value)| (key.to_owned(), value.to_owned())).collect();
    match lines.get("format") {
        Some(format) if format == FORMAT => Ok(Some(lines)),
        found => Err(Problem::CheckpointFormat { expected: FORMAT, found: found.cloned().unwrap_or_default() }),
    }
}
