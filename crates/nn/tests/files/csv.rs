//! Tables as comma-separated values.

use std::fs;
use std::path::{Path, PathBuf};

use nn::Error;
use nn::data::{Column, CsvHeader, CsvOptions, CsvTargets, Dataset, Missing};
use nn::file::{Place, Problem};

use crate::{complaint, gzip};

const TABLE: &str = "table.csv";

fn read_bytes(bytes: &[u8], options: &CsvOptions<'_>) -> nn::Result<Dataset> {
    let directory = tempfile::tempdir().unwrap();
    let path: PathBuf = directory.path().join(TABLE);
    fs::write(&path, bytes).unwrap();
    Dataset::from_csv(&path, options)
}

fn read(text: &str) -> nn::Result<Dataset> {
    read_bytes(text.as_bytes(), &CsvOptions::default())
}

fn header(header: CsvHeader) -> CsvOptions<'static> {
    CsvOptions { header, ..CsvOptions::default() }
}

#[test]
fn the_same_table_in_many_spellings() {
    let expected = Dataset::with_labels(vec![1.5, -2.0, 30.0, 0.0], 2, vec![1, 0], 2).unwrap();
    let plain = "1.5,-2,1\n30,0,0\n";
    let spellings = [
        plain,
        "1.5,-2,1\n30,0,0",
        "1.5,-2,1\r\n30,0,0\r\n",
        "\n\n1.5,-2,1\n \n\r\n30,0,0\n\n\n",
        " 1.5 ,\t-2, 1\n+3e1,0e5,0.0\n",
        "\"1.5\",\"-2\",\"1\"\n30,0,0\r\n",
        "\u{feff}1.5,-2,1\n30,0,0\n",
    ];
    for text in spellings {
        assert_eq!(read(text).unwrap(), expected, "{text:?}");
    }
    assert_eq!(read_bytes(&gzip(plain.as_bytes()), &CsvOptions::default()).unwrap(), expected);

    let label_first = CsvOptions { target: Column::Number(0), ..header(CsvHeader::ColumnNames) };
    let text = "class,\"height, in m\",width\n1,1.5,-2\n0,30,0\n";
    assert_eq!(read_bytes(text.as_bytes(), &label_first).unwrap(), expected);

    let counts = read_bytes(format!("2,2,good,bad\n{plain}").as_bytes(), &header(CsvHeader::Counts)).unwrap();
    assert_eq!(counts.class_names(), ["good", "bad"]);
    assert_eq!((&*counts.to_f32(), counts.targets()), (&*expected.to_f32(), expected.targets()));
}

#[test]
fn every_field_is_checked_and_named() {
    let cases: [(&str, Place); 4] = [
        ("1,2,0\n3,x,1\n", Place::Field { line: 2, column: 2 }),
        ("1,2,0\r\n\r\n\r\n3,,1\r\n", Place::Field { line: 4, column: 2 }),
        ("\n\n\n1,2 3,0", Place::Field { line: 4, column: 2 }),
        ("0x10,2,0\n", Place::Field { line: 1, column: 1 }),
    ];
    for (text, place) in cases {
        assert_complaint!(read(text), TABLE, place, Problem::NotANumber(_));
    }
    for number in ["NaN", "-nan", "inf", "-Infinity", "1e39", "-3.5e38"] {
        let text = format!("1,2,0\n1,2,1\n{number},2,0\n");
        let place = Place::Field { line: 3, column: 1 };
        assert_complaint!(read(&text), TABLE, place, Problem::NotFinite(found) if found == number);
    }
    for label in ["-1", "0.5", "65536", "4294967296", "1e300", "nan", "inf", "", "cat"] {
        let text = format!("1,2,0\n1,2,{label}\n");
        let place = Place::Field { line: 2, column: 3 };
        assert_complaint!(read(&text), TABLE, place, Problem::NotALabel(found) if found == label);
    }
    let not_utf8 = read_bytes(b"1,2,0\n1,\xff\xfe,0\n", &CsvOptions::default());
    assert_complaint!(not_utf8, TABLE, Place::Field { line: 2, column: 2 }, Problem::NotANumber(_));
    let long = read(&format!("1,{},0\n", "9x".repeat(100_000))).unwrap_err().to_string();
    assert!(long.len() < 1000, "the message is {} bytes long", long.len());
}

#[test]
fn labels_are_checked_against_the_classes() {
    let classes = |classes| CsvOptions { classes: Some(classes), ..CsvOptions::default() };
    let text = "5,0\n6,2\n";
    assert_eq!(read_bytes(text.as_bytes(), &classes(7)).unwrap().classes(), Some(7));
    let place = Place::Field { line: 2, column: 2 };
    let few = read_bytes(text.as_bytes(), &classes(2));
    assert_complaint!(few, TABLE, place, Problem::LabelOutOfRange { label: 2, classes: 2 });
    let named = read_bytes(b"2,1,a,b\n5,0\n6,2\n", &header(CsvHeader::Counts));
    let place = Place::Field { line: 3, column: 2 };
    assert_complaint!(named, TABLE, place, Problem::LabelOutOfRange { label: 2, classes: 2 });
}

#[test]
fn ragged_lines_are_named() {
    for text in ["1,2,0\n\n1,2,3,0\n", "1,2,0\n\n1,0\n", "1,2,0\n\n1,2,0,\n"] {
        assert_complaint!(read(text), TABLE, Place::Line(3), Problem::FieldCount { expected: 3, .. });
    }
    let after_names = read_bytes(b"a,b\n1,2,3\n", &header(CsvHeader::ColumnNames));
    assert_complaint!(after_names, TABLE, Place::Line(2), Problem::FieldCount { expected: 2, found: 3 });
    let after_counts = read_bytes(b"1,2\n1,0\n", &header(CsvHeader::Counts));
    assert_complaint!(after_counts, TABLE, Place::Line(2), Problem::FieldCount { expected: 3, found: 2 });
}

#[test]
fn the_label_column_must_exist_beside_a_feature() {
    assert_complaint!(read("1\n2\n"), TABLE, Place::Line(1), Problem::LabelColumn { column: 1, columns: 1 });
    let third = CsvOptions { target: Column::Number(2), ..CsvOptions::default() };
    let two = read_bytes(b"1,2\n", &third);
    assert_complaint!(two, TABLE, Place::Line(1), Problem::LabelColumn { column: 3, columns: 2 });
}

#[test]
fn targets_are_found_by_name_and_may_be_values() {
    let named = |name| CsvOptions { target: Column::Name(name), ..header(CsvHeader::ColumnNames) };
    let text = b"a,b,b\n1,2,3\n4,0,6\n";
    let data = read_bytes(text, &named("b")).unwrap();
    assert_eq!((&*data.to_f32(), data.labels()), (&[1.0, 3.0, 4.0, 6.0][..], Some(&[2, 0][..])));
    let values = CsvOptions { targets: CsvTargets::Values, ..named("a") };
    let data = read_bytes(b"a,b\n-1.5,2\n1e3,5\n", &values).unwrap();
    assert_eq!((&*data.to_f32(), data.targets()), (&[2.0, 5.0][..], (&[-1.5f32, 1e3]).into()));
    assert_complaint!(read_bytes(text, &named("c")), TABLE, Place::Line(1), Problem::NoColumn(name) if name == "c");
    let headless = CsvOptions { target: Column::Name("a"), ..CsvOptions::default() };
    assert_complaint!(read_bytes(text, &headless), TABLE, Place::Line(1), Problem::NoColumn(_));
    let place = Place::Field { line: 2, column: 1 };
    assert_complaint!(read_bytes(b"a,b\ninf,2\n", &values), TABLE, place, Problem::NotFinite(_));
}

#[test]
fn missing_fields_are_treated_as_asked() {
    let text = b"1,,0\nNA,4,1\n?,6,1\n9,8,2\n";
    let with = |missing| read_bytes(text, &CsvOptions { missing, ..CsvOptions::default() });
    assert_complaint!(with(Missing::Refuse), TABLE, Place::Field { line: 1, column: 2 }, Problem::NotANumber(_));
    assert_eq!(*with(Missing::SkipRow).unwrap().to_f32(), [9.0, 8.0]);
    assert_eq!(*with(Missing::Value(-1.0)).unwrap().to_f32(), [1.0, -1.0, -1.0, 4.0, -1.0, 6.0, 9.0, 8.0]);
    assert_eq!(*with(Missing::Mean).unwrap().to_f32(), [1.0, 6.0, 5.0, 4.0, 5.0, 6.0, 9.0, 8.0]);
    assert!(matches!(with(Missing::Value(f32::NAN)), Err(Error::InvalidHyperParameter { .. })));

    let mean = CsvOptions { missing: Missing::Mean, ..CsvOptions::default() };
    let result = read_bytes(b"1,null,0\n2,NaN,1\n", &mean);
    assert_complaint!(result, TABLE, Place::Line(2), Problem::EmptyColumn { column: 2 });
    let place = Place::Field { line: 2, column: 2 };
    assert_complaint!(read_bytes(b"1,0\n2,?\n", &mean), TABLE, place, Problem::NotALabel(_));
    assert_complaint!(read_bytes(b"1,0\n2,none of it\n", &mean), TABLE, place, Problem::NotALabel(_));
    let skip = CsvOptions { missing: Missing::SkipRow, ..header(CsvHeader::Counts) };
    let data = read_bytes(b"3,2,a,b\n1,2,0\n,2,0\n1,2,?\n", &skip).unwrap();
    assert_eq!(data.rows(), 1, "the header counts all rows");
    let all_skipped = read_bytes(b"2,2,a,b\n,2,0\n1,2,?\n", &skip);
    assert_complaint!(all_skipped, TABLE, Place::Line(3), Problem::NoRows);
}

#[test]
fn empty_tables_are_refused() {
    let all = [CsvHeader::None, CsvHeader::ColumnNames, CsvHeader::Counts];
    for (text, header_kind) in ["", "\n \n\r\n"].into_iter().flat_map(|text| all.map(|one| (text, one))) {
        let (_, problem) = complaint(read_bytes(text.as_bytes(), &header(header_kind)), TABLE);
        assert!(matches!(problem, Problem::NoRows), "{text:?} with {header_kind:?}: {problem}");
    }
    for (text, options) in [("a,b\n", header(CsvHeader::ColumnNames)), ("5,2,x\n", header(CsvHeader::Counts))] {
        assert_complaint!(read_bytes(text.as_bytes(), &options), TABLE, Place::Line(1), Problem::NoRows);
    }
}

#[test]
fn stated_counts_must_hold() {
    let counts = |text: &str| read_bytes(text.as_bytes(), &header(CsvHeader::Counts));
    let too_few = counts("2,1,a\n1,0\n");
    assert_complaint!(too_few, TABLE, Place::Line(2), Problem::RowCount { expected: 2, found: 1 });
    let too_many = counts("2,1,a\n1,0\n1,0\n1,0\n");
    assert_complaint!(too_many, TABLE, Place::Line(4), Problem::RowCount { expected: 2, found: 3 });
    for first in ["x,1,a", "2", "-2,1", "2,1.5", "99999999999999999999,1"] {
        let result = counts(&format!("{first}\n1,0\n"));
        assert_complaint!(result, TABLE, Place::Line(1), Problem::Header(found) if found == first);
    }
    complaint(counts(&format!("2,{},a\n1,0\n", usize::MAX)), TABLE);
}

/// A cut between two lines, or in the first one, shows only against a header that states the counts.
#[test]
fn every_cut_gives_an_error_or_fewer_rows() {
    let text = "1.5,20,1\n3,45,0\n6,7,1\n";
    let whole = read(text).unwrap();
    for len in text.find('\n').unwrap()..text.len() {
        match read(&text[..len]) {
            Ok(part) => {
                assert!(text[len - 1..=len].contains('\n'), "{len} bytes");
                assert_eq!(*part.to_f32(), whole.to_f32()[..part.rows() * 2], "{len} bytes");
            }
            Err(Error::File(error)) => assert_eq!(error.path.file_name().unwrap(), TABLE),
            Err(other) => panic!("{len} bytes: {other}"),
        }
    }
    let with_counts = format!("3,2,a,b\n{text}");
    for len in 0..with_counts.len() - 1 {
        complaint(read_bytes(&with_counts.as_bytes()[..len], &header(CsvHeader::Counts)), TABLE);
    }
    let compressed = gzip(text.as_bytes());
    for len in 0..compressed.len() {
        complaint(read_bytes(&compressed[..len], &CsvOptions::default()), TABLE);
    }
}

#[test]
fn changed_bytes_never_panic() {
    let text = b"3,2,a,b\r\n1.5,20,1\r\n\"3\",45,0\n6,7,1\n";
    for bytes in [text.to_vec(), gzip(text)] {
        for (at, bit) in (0..bytes.len()).flat_map(|at| (0..8).map(move |bit| (at, bit))) {
            let mut bytes = bytes.clone();
            bytes[at] ^= 1 << bit;
            let _ = read_bytes(&bytes, &header(CsvHeader::Counts));
        }
    }
}

#[test]
fn missing_files_and_directories_are_named() {
    let directory = tempfile::tempdir().unwrap();
    let missing = Dataset::from_csv(directory.path().join("none"), &CsvOptions::default());
    assert_complaint!(missing, "none", Place::Whole, Problem::Io(_));
    let folder = Dataset::from_csv(Path::new(directory.path()), &CsvOptions::default());
    let name = directory.path().file_name().unwrap().to_str().unwrap();
    assert_complaint!(folder, name, Place::Whole, Problem::Io(_));
}
