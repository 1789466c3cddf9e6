//! Tables of numbers as comma-separated values.

use std::io::{self, Read};
use std::path::Path;

use ::csv::{ByteRecord, ReaderBuilder, Terminator, Trim};

use super::Dataset;
use crate::error::{Error, Result};
use crate::file::{self, FileError, Place, Problem};

/// The largest label that is read from text: a larger number is surely a measurement in the wrong column, and the output
/// layer that it asks for would not fit into memory.
pub const MAX_LABEL: u32 = 65_535;

/// How to read a table.
///
/// ```
/// use nn::data::{Column, CsvHeader, CsvOptions, CsvTargets, Dataset, Missing};
/// # let path = std::env::temp_dir().join("nn-csv-example.csv");
/// # std::fs::write(&path, "rooms,price,area\n3,2.5,80\n?,1.5,60\n").unwrap();
/// // rooms,price,area
/// // 3,2.5,80
/// // ?,1.5,60
/// let options = CsvOptions {
///     header: CsvHeader::ColumnNames,
///     target: Column::Name("price"),
///     targets: CsvTargets::Values,
///     missing: Missing::Mean,
///     ..CsvOptions::default()
/// };
/// let houses = Dataset::from_csv(&path, &options)?;
/// assert_eq!(*houses.to_f32(), [3.0, 80.0, 3.0, 60.0]);
/// assert_eq!(houses.targets(), (&[2.5f32, 1.5]).into());
/// # std::fs::remove_file(&path).unwrap();
/// # Ok::<(), nn::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct CsvOptions<'a> {
    /// What the first line is.
    pub header: CsvHeader,
    /// The column of what is to be predicted; all others are features.
    pub target: Column<'a>,
    /// What it is.
    pub targets: CsvTargets,
    /// The number of classes; `None` takes it from the header's class names or makes it the largest label plus one. Without
    /// effect where the targets are values.
    pub classes: Option<usize>,
    /// What becomes of fields without a number.
    pub missing: Missing,
}

/// A column of a table.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Column<'a> {
    /// The last one.
    #[default]
    Last,
    /// By its number, counted from 0.
    Number(usize),
    /// The first one of this name, in a table with [`CsvHeader::ColumnNames`].
    Name(&'a str),
}

/// What is to be predicted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub enum CsvTargets {
    /// A class: a whole number from 0 to [`MAX_LABEL`].
    #[default]
    Labels,
    /// A finite number.
    Values,
}

/// What becomes of fields that are empty or `?`, `NA`, `N/A`, `NaN`, `null` or `none`, in upper or lower case.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub enum Missing {
    /// They are errors.
    #[default]
    Refuse,
    /// Their rows are passed over.
    SkipRow,
    /// A feature becomes this number, which must be finite; a target must not be missing.
    Value(f32),
    /// A feature becomes the mean of the column, over the rows that have it; a target must not be missing.
    Mean,
}

/// What the first line of a table is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub enum CsvHeader {
    /// The first row.
    #[default]
    None,
    /// The names of the columns.
    ColumnNames,
    /// The number of rows, the number of features and the name of each class, as in the files that scikit-learn ships.
    Counts,
}

impl Dataset {
    /// Reads a table of finite numbers, one row a line, with what is to be predicted in one column; compressed with gzip or
    /// not. Blank lines are passed over and fields may be in quotes.
    ///
    /// # Errors
    /// With the file, the line and the column, both counted from 1: if the file cannot be read, a line has more or fewer
    /// fields than the first, a field is not a finite number, a label is not a whole number from 0 to [`MAX_LABEL`] and
    /// below the number of classes, the header's counts are not those of the table, there is no such column, or there are no
    /// rows.
    pub fn from_csv(path: impl AsRef<Path>, options: &CsvOptions<'_>) -> Result<Self> {
        let mut lines = Lines::open(path.as_ref())?;
        let (mut columns, mut target) = (None, None);
        let mut rows_stated = None;
        let mut class_names = Vec::new();
        match options.header {
            CsvHeader::None => {}
            CsvHeader::ColumnNames => {
                columns = lines.advance()?.then_some(lines.record.len());
                target = lines.named(options.target);
            }
            CsvHeader::Counts => {
                let (rows, features, names) = lines.counts()?;
                (rows_stated, columns, class_names) = (Some(rows), Some(features.saturating_add(1)), names);
            }
        }
        if let (Column::Name(name), None) = (options.target, target) {
            return Err(lines.error(Problem::NoColumn(name.to_owned())).into());
        }
        let classes = options.classes.or((!class_names.is_empty()).then_some(class_names.len()));
        let filling = match options.missing {
            Missing::Refuse | Missing::SkipRow => None,
            Missing::Value(value) if value.is_finite() => Some(value),
            Missing::Value(value) => {
                let (name, value) = ("the value for what is missing", value.to_string());
                return Err(Error::InvalidHyperParameter { name, value, allowed: "finite" });
            }
            // Until all rows have been seen.
            Missing::Mean => Some(f32::NAN),
        };

        let (mut features, mut labels, mut values) = (Vec::new(), Vec::new(), Vec::new());
        let mut found = 0;
        while lines.advance()? {
            let columns = *columns.get_or_insert(lines.record.len());
            if lines.record.len() != columns {
                return Err(lines.error(Problem::FieldCount { expected: columns, found: lines.record.len() }).into());
            }
            let target = match options.target {
                Column::Number(number) => number,
                _ => target.unwrap_or(columns - 1),
            };
            if columns < 2 || target >= columns {
                let column = target.saturating_add(1);
                return Err(lines.error(Problem::LabelColumn { column, columns }).into());
            }
            found += 1;
            if options.missing == Missing::SkipRow && lines.record.iter().any(is_missing) {
                continue;
            }
            for (column, field) in lines.record.iter().enumerate() {
                let value = match (column == target, options.targets) {
                    (true, CsvTargets::Labels) => parse_label(field, classes).map(|label| labels.push(label)),
                    (true, CsvTargets::Values) => parse_number(field).map(|value| values.push(value)),
                    (false, _) => match filling.filter(|_| is_missing(field)) {
                        Some(filling) => Ok(filling),
                        None => parse_number(field),
                    }
                    .map(|number| features.push(number)),
                };
                value.map_err(|problem| lines.error_in(column, problem))?;
            }
        }

        if let Some(expected) = rows_stated.filter(|&stated| found > 0 && stated != found) {
            return Err(lines.error(Problem::RowCount { expected, found }).into());
        }
        let rows = labels.len().max(values.len());
        if rows == 0 {
            return Err(lines.error(Problem::NoRows).into());
        }
        let cols = features.len() / rows;
        if options.missing == Missing::Mean {
            fill_with_means(&mut features, cols).map_err(|column| lines.error(Problem::EmptyColumn { column }))?;
        }
        if options.targets == CsvTargets::Values {
            return Dataset::with_values(features, cols, values, 1);
        }
        let classes = classes.unwrap_or_else(|| labels.iter().max().map_or(0, |&label| label as usize + 1));
        Dataset::with_labels(features, cols, labels, classes)?.with_class_names(class_names)
    }
}

/// Puts the mean of its column in the place of each NaN; the number of the feature, counted from 1, if it is nothing else.
fn fill_with_means(features: &mut [f32], cols: usize) -> Result<(), usize> {
    for col in 0..cols {
        let column = || features[col..].iter().step_by(cols).filter(|x| !x.is_nan());
        let count = column().count();
        if count == 0 {
            return Err(col + 1);
        }
        let mean = (column().map(|&x| f64::from(x)).sum::<f64>() / count as f64) as f32;
        features[col..].iter_mut().step_by(cols).filter(|x| x.is_nan()).for_each(|x| *x = mean);
    }
    Ok(())
}

fn is_missing(field: &[u8]) -> bool {
    ["", "?", "na", "n/a", "nan", "null", "none"].iter().any(|word| field.eq_ignore_ascii_case(word.as_bytes()))
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

    /// The number of the column that the header gives this name.
    fn named(&self, column: Column<'_>) -> Option<usize> {
        let Column::Name(name) = column else { return None };
        self.record.iter().position(|field| field == name.as_bytes())
    }

    fn error(&self, problem: Problem) -> FileError {
        FileError::new(self.path, Place::Line(self.line), problem)
    }

    fn error_in(&self, column: usize, problem: Problem) -> FileError {
        FileError::new(self.path, Place::Field { line: self.line, column: column + 1 }, problem)
    }
}

pub(super) fn parse_number(field: &[u8]) -> Result<f32, Problem> {
    let number = std::str::from_utf8(field).ok().and_then(|text| text.parse::<f32>().ok());
    match number {
        Some(number) if number.is_finite() => Ok(number),
        Some(_) => Err(Problem::NotFinite(excerpt(field))),
        None => Err(Problem::NotANumber(excerpt(field))),
    }
}

/// A label may be written as a floating-point number, as numerical programs do.
pub(super) fn parse_label(field: &[u8], classes: Option<usize>) -> Result<u32, Problem> {
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
pub(super) fn excerpt(field: &[u8]) -> String {
    const LONGEST: usize = 40;
    let start = String::from_utf8_lossy(&field[..field.len().min(LONGEST)]);
    if field.len() > LONGEST { format!("{start}…") } else { start.into_owned() }
}
