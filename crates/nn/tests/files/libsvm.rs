//! Rows of `label index:value`.

use nn::data::{CsvTargets, Dataset, LibsvmOptions};
use nn::file::{Place, Problem};

use crate::{complaint, gzip};

const NAME: &str = "rows.txt";

fn read(text: &[u8], options: LibsvmOptions) -> nn::Result<Dataset> {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join(NAME);
    std::fs::write(&path, text).unwrap();
    Dataset::from_libsvm(path, &options)
}

fn default(text: &str) -> nn::Result<Dataset> {
    read(text.as_bytes(), LibsvmOptions::default())
}

#[test]
fn labels_are_mapped_and_gaps_are_zero() {
    let text = "+3 2:1.5 4:-2\r\n\n-1\t1:1e1  # the label of nothing 1:x\n# only a comment\n3.0";
    let data = default(text).unwrap();
    assert_eq!(*data.to_f32(), [0.0, 1.5, 0.0, -2.0, 10.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0]);
    assert_eq!((data.labels(), data.classes()), (Some(&[1, 0, 1][..]), Some(2)));
    assert_eq!(data.class_names(), ["-1", "3"]);
    assert_eq!(read(&gzip(text.as_bytes()), LibsvmOptions::default()).unwrap(), data);

    let options = LibsvmOptions { columns: Some(5), targets: CsvTargets::Values };
    let data = read(b"0.5 1:1\n-2.5 5:1\n", options).unwrap();
    assert_eq!((data.cols(), data.targets()), (5, (&[0.5f32, -2.5]).into()));
}

#[test]
fn mistakes_are_named_with_line_and_field() {
    for (text, line, column) in [
        ("1 1:2\n1 2:1 2:3\n", 2, 3),
        ("1 1:2\n\n1 0:1\n", 3, 2),
        ("1 1\n", 1, 2),
        ("1 x:1\n", 1, 2),
        ("1 -1:1\n", 1, 2),
        ("1 18446744073709551616:1\n", 1, 2),
        ("1 qid:3 1:2\n", 1, 2),
    ] {
        assert_complaint!(default(text), NAME, Place::Field { line, column }, Problem::NotAFeature(_));
    }
    let place = Place::Field { line: 1, column: 2 };
    assert_complaint!(default("1 1:x\n"), NAME, place, Problem::NotANumber(_));
    assert_complaint!(default("1 1:1:2\n"), NAME, place, Problem::NotANumber(_));
    assert_complaint!(default("1 1:\n"), NAME, place, Problem::NotANumber(_));
    assert_complaint!(default("1 1:1e39\n"), NAME, place, Problem::NotFinite(_));
    let place = Place::Field { line: 1, column: 1 };
    for label in ["0.5", "cat", "1e300", "nan", "1:2"] {
        assert_complaint!(default(&format!("{label} 1:1\n")), NAME, place, Problem::NotANumber(_));
    }
    let two = LibsvmOptions { columns: Some(2), ..LibsvmOptions::default() };
    let place = Place::Field { line: 2, column: 2 };
    let result = read(b"1 2:1\n1 3:1\n", two);
    assert_complaint!(result, NAME, place, Problem::FeatureOutOfRange { index: 3, columns: 2 });
    for (text, line) in [("", 1), ("\n# nothing\n", 2)] {
        assert_complaint!(default(text), NAME, Place::Line(line), Problem::NoRows);
    }
    assert_complaint!(default("1\n2\n"), NAME, Place::Line(2), Problem::NoFeatures);
}

#[test]
fn an_index_that_is_too_large_needs_no_memory() {
    let text = format!("1 1:1\n1 {}:1\n", u64::MAX);
    assert_complaint!(default(&text), NAME, Place::Line(2), Problem::TooSparse { entries: 2, rows: 2, .. });
    let wide = LibsvmOptions { columns: Some(usize::MAX), ..LibsvmOptions::default() };
    assert!(matches!(read(text.as_bytes(), wide), Err(nn::Error::OutOfMemory { .. })));
    assert_eq!(default("1 4096:1\n").unwrap().cols(), 4096);
    assert!(default("1 4097:1\n").is_err());
}
