//! The reader of tables.

use crate::bytes::Bytes;
use crate::file;
use nn::data::{CsvHeader, CsvOptions, Dataset};

/// The first byte chooses the options, the rest is the file.
pub fn run(data: &[u8]) -> String {
    let mut data = Bytes(data);
    let option = data.byte();
    let options = CsvOptions {
        header: [CsvHeader::None, CsvHeader::ColumnNames, CsvHeader::Counts][usize::from(option) % 3],
        label_column: [None, Some(0), Some(1), Some(usize::MAX)][usize::from(option / 3) % 4],
        classes: [None, Some(3), Some(0), Some(usize::MAX)][usize::from(option / 12) % 4],
    };
    let path = file::write("table.csv", data.0);
    format!("{:?} {}", options.header, file::check(Dataset::from_csv(&path, &options)))
}
