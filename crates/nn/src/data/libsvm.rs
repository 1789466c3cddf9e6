//! The text format of libsvm and svmlight: `label index:value index:value ...`, a row a line, zeros left out.

use std::io::{BufRead, BufReader, Read};
use std::path::Path;

use super::csv::{excerpt, parse_number};
use super::labels::distinct;
use super::{CsvTargets, Dataset};
use crate::error::Result;
use crate::file::{self, FileError, Place, Problem};
use crate::memory::zeros;

/// Elements of the table for each one in the file, past which a file is taken for damaged.
const SPARSEST: u64 = 4096;

/// How to read such a file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(default))]
pub struct LibsvmOptions {
    /// How many features a row has; `None` takes the largest index. Give it for a test set, whose last features may all be 0.
    pub columns: Option<usize>,
    /// What the first number of a line is: whole numbers that name classes, or values.
    pub targets: CsvTargets,
}

impl Dataset {
    /// Reads rows of `label index:value ...`, compressed with gzip or not. Indices count from 1 and ascend; a feature that is
    /// not there is 0; what follows a `#` is passed over. The table in memory is dense.
    ///
    /// Labels may be any whole numbers, such as -1 and 1: the classes are their places in ascending order, and
    /// [`class_names`](Self::class_names) has the labels themselves.
    ///
    /// ```
    /// use nn::data::{Dataset, LibsvmOptions};
    /// # let path = std::env::temp_dir().join("nn-libsvm-example.txt");
    /// # std::fs::write(&path, "+1 1:0.5 3:2\n-1 2:1.5 # a comment\n").unwrap();
    /// // +1 1:0.5 3:2
    /// // -1 2:1.5 # a comment
    /// let data = Dataset::from_libsvm(&path, &LibsvmOptions::default())?;
    /// assert_eq!(*data.to_f32(), [0.5, 0.0, 2.0, 0.0, 1.5, 0.0]);
    /// assert_eq!(data.labels(), Some(&[1, 0][..]));
    /// assert_eq!(data.class_names(), ["-1", "1"]);
    /// # std::fs::remove_file(&path).unwrap();
    /// # Ok::<(), nn::Error>(())
    /// ```
    ///
    /// # Errors
    /// With the file, the line and the field, both counted from 1: if the file cannot be read, has no rows or no features, a
    /// label or a value is no finite number, an index does not ascend or is above `columns`; if there is less than one
    /// feature for 4096 elements of the table and `columns` was not given.
    pub fn from_libsvm(path: impl AsRef<Path>, options: &LibsvmOptions) -> Result<Self> {
        let path = path.as_ref();
        let rows = Rows::read(path, options)?;
        let (last_line, count) = (rows.lines, rows.ends.len());
        let error = |problem| FileError::new(path, Place::Line(last_line.max(1)), problem);
        let columns = options.columns.map_or(rows.largest, |columns| columns as u64);
        if count == 0 {
            return Err(error(Problem::NoRows).into());
        }
        if columns == 0 {
            return Err(error(Problem::NoFeatures).into());
        }
        let elements = columns.saturating_mul(count as u64);
        let entries = rows.entries.len();
        if options.columns.is_none() && elements > SPARSEST.saturating_mul(entries as u64) {
            return Err(error(Problem::TooSparse { entries, rows: count, columns }).into());
        }
        let cols = usize::try_from(columns).unwrap_or(usize::MAX);
        let mut features: Vec<f32> = zeros("the features", count, cols)?;
        let mut start = 0;
        for (row, &end) in features.chunks_exact_mut(cols).zip(&rows.ends) {
            rows.entries[start..end].iter().for_each(|&(index, value)| row[index as usize - 1] = value);
            start = end;
        }

        if options.targets == CsvTargets::Values {
            return Dataset::with_values(features, cols, rows.values, 1);
        }
        let classes = distinct(rows.labels.clone());
        let place = |label| classes.binary_search(label).unwrap_or_default() as u32;
        let labels = rows.labels.iter().map(place).collect();
        let names = classes.iter().map(i64::to_string).collect();
        Dataset::with_labels(features, cols, labels, classes.len())?.with_class_names(names)
    }
}

/// What the file holds.
#[derive(Default)]
struct Rows {
    lines: u64,
    labels: Vec<i64>,
    values: Vec<f32>,
    /// Indices from 1, and values.
    entries: Vec<(u64, f32)>,
    /// Where the entries of each row end.
    ends: Vec<usize>,
    largest: u64,
}

impl Rows {
    fn read(path: &Path, options: &LibsvmOptions) -> Result<Self, FileError> {
        let mut source: BufReader<Box<dyn Read>> = BufReader::new(file::open(path)?);
        let (mut rows, mut line) = (Rows::default(), Vec::new());
        loop {
            line.clear();
            rows.lines += 1;
            let read = source.read_until(b'\n', &mut line);
            if read.map_err(|error| FileError::new(path, Place::Line(rows.lines), error))? == 0 {
                rows.lines -= 1;
                return Ok(rows);
            }
            let before_comment = line.split(|&byte| byte == b'#').next().unwrap_or_default();
            rows.push(before_comment, options).map_err(|(column, problem)| {
                FileError::new(path, Place::Field { line: rows.lines, column }, problem)
            })?;
        }
    }

    /// Takes in a line; the field, counted from 1, and the problem where it has one.
    fn push(&mut self, line: &[u8], options: &LibsvmOptions) -> Result<(), (usize, Problem)> {
        let mut fields = line.split(u8::is_ascii_whitespace).filter(|field| !field.is_empty());
        let Some(label) = fields.next() else { return Ok(()) };
        match options.targets {
            CsvTargets::Labels => self.labels.push(parse_class(label).map_err(|problem| (1, problem))?),
            CsvTargets::Values => self.values.push(parse_number(label).map_err(|problem| (1, problem))?),
        }
        let mut last = 0;
        for (field, column) in fields.zip(2..) {
            let entry = parse_entry(field, last, options.columns).map_err(|problem| (column, problem))?;
            last = entry.0;
            self.entries.push(entry);
        }
        self.largest = self.largest.max(last);
        self.ends.push(self.entries.len());
        Ok(())
    }
}

/// A whole number that f64 has exactly, also written as `1.0` or `+1`.
fn parse_class(field: &[u8]) -> Result<i64, Problem> {
    const LARGEST: f64 = 9_007_199_254_740_992.0;
    let number = std::str::from_utf8(field).ok().and_then(|text| text.parse::<f64>().ok());
    match number {
        Some(number) if number.fract() == 0.0 && number.abs() <= LARGEST => Ok(number as i64),
        _ => Err(Problem::NotANumber(excerpt(field))),
    }
}

fn parse_entry(field: &[u8], last: u64, columns: Option<usize>) -> Result<(u64, f32), Problem> {
    let mut parts = field.splitn(2, |&byte| byte == b':');
    let index = parts.next().and_then(|index| std::str::from_utf8(index).ok()?.parse::<u64>().ok());
    let (Some(index), Some(value)) = (index.filter(|&index| index > last), parts.next()) else {
        return Err(Problem::NotAFeature(excerpt(field)));
    };
    match columns {
        Some(columns) if index > columns as u64 => Err(Problem::FeatureOutOfRange { index, columns }),
        _ => Ok((index, parse_number(value)?)),
    }
}
