//! Tables of numbers as comma-separated values.

use std::io::{self, Read};
use std::path::Path;

use ::csv::{ByteRecord, ReaderBuilder, Terminator, Trim};

use super::Dataset;
use crate::error::Result;
use crate::file::{self, FileError, Place, Problem};

/// The largest label that is read from text: a larger number is surely a measurement in the wrong column, and the output
/// layer that it asks for would not fit into memory.
pub const MAX_LABEL: u32 = 65_535;

/// How to read a table.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CsvOptions {
    /// What the first line is.
    pub header: CsvHeader,
    /// The column of the label, counted from 0; `None` is the last.
    pub label_column: Option<usize>,
    /// The number of classes; `None` takes it from the header's class names or makes it the largest label plus one.
    pub classes: Option<usize>,
}

/// What the first line of a table is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CsvHeader {
    /// The first row.
    #[default]
    None,
    /// The names of the columns. They are passed over.
    ColumnNames,
    /// The number of rows, the number of features and the name of each class, as in the files that scikit-learn ships.
    Counts,
}

impl Dataset {
    /// Reads a table of finite numbers, one row a line, with the class label in one column; compressed with gzip or not.
    /// Blank lines are passed over and fields may be in quotes.
    ///
    /// # Errors
    /// With the file, the line and the column, both counted from 1: if the file cannot be read, a line has more or fewer
    /// fields than the first, a field is not a finite number, a label is not a whole number from 0 to [`MAX_LABEL`] and
    /// below the number of classes, the header's counts are not those of the table, or there are no rows.
    pub fn from_csv(path: impl AsRef<Path>, options: &CsvOptions) -> Result<Self> {
        let mut lines = Lines::open(path.as_ref())?;
        let mut columns = None;
        let mut rows_stated = None;
        let mut class_names = Vec::new();
        match options.header {
            CsvHeader::None => {}
            CsvHeader::ColumnNames => columns = lines.advance()?.then_some(lines.record.len()),
            CsvHeader::Counts => {
                let (rows, features, names) = lines.counts()?;
                (rows_stated, columns, class_names) = (Some(rows), Some(features.saturating_add(1)), names);
            }
        }
        let classes = options.classes.or((!class_names.is_empty()).then_some(class_names.len()));

        let (mut features, mut labels) = (Vec::new(), Vec::new());
        while lines.advance()? {
            let columns = *columns.get_or_insert(lines.record.len());
            if lines.record.len() != columns {
                return Err(lines.error(Problem::FieldCount { expected: columns, found: lines.record.len() }).into());
            }
            let label_column = options.label_column.unwrap_or(columns - 1);
            if columns < 2 || label_column >= columns {
                return Err(lines.error(Problem::LabelColumn { column: label_column + 1, columns }).into());
            }
            for (column, field) in lines.record.iter().enumerate() {
                let value = if column == label_column {
                    parse_label(field, classes).map(|label| labels.push(label))
                } else {
                    parse_number(field).map(|number| features.push(number))
                };
                value.map_err(|problem| lines.error_in(column, problem))?;
            }
        }

        let found = labels.len() as u64;
        if found == 0 {
            return Err(lines.error(Problem::NoRows).into());
        }
        if let Some(expected) = rows_stated.filter(|&stated| stated != found) {
            return Err(lines.error(Problem::RowCount { expected, found }).into());
        }
        let classes = classes.unwrap_or_else(|| labels.iter().max().map_or(0, |&label| label as usize + 1));
        let cols = features.len() / labels.len();
        Dataset::with_labels(features, cols, labels, classes)?.with_class_names(class_names)
    }
}

/// The lines of a file that are not blank, each with its number.
struct Lines<'a> {
    path: &'a Path,
    reader: ::csv::Reader<Box<dyn Read>>,
    record: ByteRecord,
    line: u64,
}

impl<'a> Lines<'a> {
    fn open(path: &'a Path) -> Result<Self, FileError> {
        // With a line break at the end of the last line too, the line of a record is always the one before the reader's,
        // however many blank lines were passed over.
        let source: Box<dyn Read> = Box::new(file::open(path)?.chain(&b"\n"[..]));
        let reader = ReaderBuilder::new()
            .has_headers(false)
            .flexible(true)
            .terminator(Terminator::Any(b'\n'))
            .trim(Trim::All)
            .from_reader(source);
        Ok(Lines { path, reader, record: ByteRecord::new(), line: 1 })
    }

    /// Reads the next line into `record`; false at the end of the file.
    fn advance(&mut self) -> Result<bool, FileError> {
        loop {
            let more = self.reader.read_byte_record(&mut self.record);
            let next_line = self.reader.position().line();
            let more =
                more.map_err(|error| FileError::new(self.path, Place::Line(next_line), io::Error::from(error)))?;
            if !more {
                return Ok(false);
            }
            self.line = next_line - 1;
            let only_spaces = self.record.len() == 1 && self.record[0].is_empty();
            if !only_spaces {
                return Ok(true);
            }
        }
    }

    /// Reads a header of [`CsvHeader::Counts`]: rows, features, names of the classes.
    fn counts(&mut self) -> Result<(u64, usize, Vec<String>), FileError> {
        if !self.advance()? {
            return Err(self.error(Problem::NoRows));
        }
        let text = |field| std::str::from_utf8(field).ok();
        let parse = || {
            let rows = text(self.record.get(0)?)?.parse().ok()?;
            let features = text(self.record.get(1)?)?.parse().ok()?;
            let names = self.record.iter().skip(2).map(|name| text(name).map(str::to_owned)).collect::<Option<_>>()?;
            Some((rows, features, names))
        };
        parse().ok_or_else(|| {
            let fields: Vec<String> = self.record.iter().map(excerpt).collect();
            self.error(Problem::Header(excerpt(fields.join(",").as_bytes())))
        })
    }

    fn error(&self, problem: Problem) -> FileError {
        FileError::new(self.path, Place::Line(self.line), problem)
    }

    fn error_in(&self, column: usize, problem: Problem) -> FileError {
        FileError::new(self.path, Place::Field { line: self.line, column: column + 1 }, problem)
    }
}

fn parse_number(field: &[u8]) -> Result<f32, Problem> {
    let number = std::str::from_utf8(field).ok().and_then(|text| text.parse::<f32>().ok());
    match number {
        Some(number) if number.is_finite() => Ok(number),
        Some(_) => Err(Problem::NotFinite(excerpt(field))),
        None => Err(Problem::NotANumber(excerpt(field))),
    }
}

/// A label may be written as a floating-point number, as numerical programs do.
fn parse_label(field: &[u8], classes: Option<usize>) -> Result<u32, Problem> {
    let number = std::str::from_utf8(field).ok().and_then(|text| text.parse::<f64>().ok());
    let label = match number {
        Some(number) if number.fract() == 0.0 && (0.0..=f64::from(MAX_LABEL)).contains(&number) => number as u32,
        _ => return Err(Problem::NotALabel(excerpt(field))),
    };
    match classes {
        Some(classes) if label as usize >= classes => Err(Problem::LabelOutOfRange { label, classes }),
        _ => Ok(label),
    }
}

/// The start of a field, fit for a message.
fn excerpt(field: &[u8]) -> String {
    const LONGEST: usize = 40;
    let start = String::from_utf8_lossy(&field[..field.len().min(LONGEST)]);
    if field.len() > LONGEST { format!("{start}…") } else { start.into_owned() }
}
