//! Files that are cut short, damaged or not what they should be: each gives an error that names the file and the place.

use std::io::Write;

use nn::Error;
use nn::data::Dataset;
use nn::file::{Place, Problem};

/// What `result` complains about; panics unless it is about the file `name`.
#[track_caller]
fn complaint(result: nn::Result<Dataset>, name: &str) -> (Place, Problem) {
    match result.expect_err("the file is bad") {
        Error::File(error) => {
            let message = error.to_string();
            assert_eq!(error.path.file_name().unwrap(), name, "{message}");
            assert!(message.starts_with(&format!("{}{}: ", error.path.display(), error.place)), "{message}");
            (error.place, error.problem)
        }
        other => panic!("not about a file: {other}"),
    }
}

/// Asserts the place and, by pattern, the problem.
macro_rules! assert_complaint {
    ($result:expr, $name:expr, $place:expr, $problem:pat $(if $guard:expr)?) => {{
        let (place, problem) = complaint($result, $name);
        assert_eq!(place, $place, "{problem}");
        assert!(matches!(&problem, $problem $(if $guard)?), "{problem:?}");
    }};
}

mod csv;
mod idx;
mod libsvm;
mod numpy;

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}
