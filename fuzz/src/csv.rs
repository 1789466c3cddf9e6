//! The reader of tables.

use crate::bytes::Bytes;
use crate::file;
use nn::data::{Column, CsvHeader, CsvOptions, CsvTargets, Dataset, Missing};

/// The first byte chooses the options, the rest is the file.
pub fn run(data: &[u8]) -> String {
    let mut data = Bytes(data);
    let option = data.byte();
    let choose = |step: u8, choices: u8| usize::from(option / step % choices);
    let columns = [Column::Last, Column::Number(0), Column::Number(usize::MAX), Column::Name("a")];
    let options = CsvOptions {
        header: [CsvHeader::None, CsvHeader::ColumnNames, CsvHeader::Counts][choose(1, 3)],
        target: columns[choose(3, 4)],
        targets: CsvTargets::Labels,
        classes: [None, Some(3), Some(0), Some(usize::MAX)][choose(12, 4)],
        missing: [Missing::Refuse, Missing::SkipRow, Missing::Value(0.5), Missing::Mean][choose(48, 4)],
    };
    let path = file::write("table.csv", data.0);
    format!("{:?} {}", options.header, file::check(Dataset::from_csv(&path, &options)))
}
