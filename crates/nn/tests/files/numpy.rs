//! The files in `numpy/` were written by NumPy.

use std::fs::File;
use std::io::{Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use nn::Error;
use nn::data::Dataset;
use nn::file::{Place, Problem};

use crate::complaint;

fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/files/numpy").join(name)
}

fn pair(features: &str, targets: &str) -> nn::Result<Dataset> {
    Dataset::from_npy(file(features), file(targets), None)
}

thread_local! {
    static DIRECTORY: tempfile::TempDir = tempfile::tempdir().unwrap();
}

/// Cut to its length at the end, as file systems may bring a file that was cut to nothing to the disk at once.
fn written(name: &str, bytes: &[u8]) -> PathBuf {
    let path = DIRECTORY.with(|directory| directory.path().join(name));
    let mut file = File::options().create(true).truncate(false).write(true).open(&path).unwrap();
    file.write_all(bytes).unwrap();
    file.set_len(bytes.len() as u64).unwrap();
    path
}

/// What [`Dataset::from_npy`] says about features of these bytes.
fn with_features(bytes: &[u8]) -> nn::Result<Dataset> {
    Dataset::from_npy(written("x.npy", bytes), file("labels.npy"), None)
}

fn archive(bytes: &[u8]) -> nn::Result<Dataset> {
    Dataset::from_npz(written("a.npz", bytes), "x", "y", None)
}

#[test]
fn arrays_of_all_orders_and_types_are_read() {
    let x = [0.5, -1.0, 2.0, 3.0, 1e-3, 5.0];
    for name in ["c.npy", "fortran.npy"] {
        let data = pair(name, "labels.npy").unwrap();
        assert_eq!((&*data.to_f32(), data.cols()), (&x[..], 3), "{name}");
        assert_eq!((data.labels(), data.classes()), (Some(&[2, 0][..]), Some(3)), "{name}");
    }
    assert_eq!(*pair("big_endian.npy", "bools.npy").unwrap().to_f32(), [500.0, -1000.0, 2000.0, 3000.0, 1.0, 5000.0]);
    assert_eq!(pair("c.npy", "bools.npy").unwrap().labels(), Some(&[1, 0][..]));
    for name in ["images.npy", "images_fortran.npy"] {
        let data = pair(name, "labels.npy").unwrap();
        assert_eq!(data.cols(), 6, "{name}");
        assert!(data.to_f32().iter().enumerate().all(|(index, &x)| x == index as f32), "{name}: {data:?}");
    }
    let bytes = pair("images.npy", "labels.npy").unwrap();
    assert!(matches!(bytes.features(), nn::Features::Bytes { bytes: [0, 1, .., 11], .. }), "{bytes:?}");
    let data = pair("c.npy", "values.npy").unwrap();
    assert_eq!(data.targets(), (&[1.5f32, 2.5, -1.0, 0.0]).into());
    for name in ["stored.npz", "deflated.npz"] {
        let data = Dataset::from_npz(file(name), "x", "y", Some(4)).unwrap();
        assert_eq!((&*data.to_f32(), data.labels(), data.classes()), (&x[..], Some(&[2, 0][..]), Some(4)), "{name}");
    }
}

#[test]
fn what_is_no_array_of_numbers_is_named() {
    assert_complaint!(pair("text.npy", "labels.npy"), "text.npy", Place::Byte(10), Problem::NpyType(_));
    assert_complaint!(pair("values.npy", "images.npy"), "images.npy", Place::Whole, Problem::NpyShape { .. });
    assert!(matches!(pair("c.npy", "c.npy"), Ok(data) if data.cols() == 3));
    let few = Dataset::from_npy(file("c.npy"), file("labels.npy"), Some(2));
    let place = Place::Byte(128);
    assert_complaint!(few, "labels.npy", place, Problem::LabelOutOfRange { label: 2, classes: 2 });
    assert_complaint!(pair("c.npy", "big_endian.npy"), "big_endian.npy", Place::Whole, Problem::NpyShape { .. });
    let missing = Dataset::from_npz(file("stored.npz"), "z", "y", None);
    assert_complaint!(missing, "stored.npz", Place::Whole, Problem::NoArray { known, .. } if *known == ["x", "y"]);
    assert_complaint!(pair("none.npy", "labels.npy"), "none.npy", Place::Whole, Problem::Io(_));

    let mut bytes = std::fs::read(file("c.npy")).unwrap();
    bytes[128 + 4..128 + 8].copy_from_slice(&f32::INFINITY.to_le_bytes());
    assert_complaint!(with_features(&bytes), "x.npy", Place::Byte(132), Problem::NotFinite(_));
    bytes[6] = 4;
    assert_complaint!(with_features(&bytes), "x.npy", Place::Byte(6), Problem::NpyVersion { found: 4 });
    bytes[0] = 0;
    assert_complaint!(with_features(&bytes), "x.npy", Place::Byte(0), Problem::NpyMagic { .. });
}

#[test]
fn every_cut_is_an_error() {
    let plain = std::fs::read(file("fortran.npy")).unwrap();
    for len in 0..plain.len() {
        complaint(with_features(&plain[..len]), "x.npy");
    }
    let longer = [&plain[..], &[0]].concat();
    assert_complaint!(with_features(&longer), "x.npy", Place::Byte(176), Problem::TrailingBytes { expected: 176 });
    for name in ["stored.npz", "deflated.npz"] {
        let whole = std::fs::read(file(name)).unwrap();
        for len in 0..whole.len() {
            assert!(matches!(archive(&whole[..len]), Err(Error::File(_))), "{name}: {len} bytes");
        }
    }
}

/// The time to bring elements into C order is that of the elements, however many dimensions a header names.
#[test]
fn thousands_of_dimensions_take_no_time() {
    let shape = format!("2, {}12", "1, ".repeat(20_000));
    let text = format!("{{'descr': '|u1', 'fortran_order': True, 'shape': ({shape}), }}");
    let elements: Vec<u8> = (0..24).collect();
    let bytes = [b"\x93NUMPY\x02\x00", &(text.len() as u32).to_le_bytes()[..], text.as_bytes(), &elements].concat();
    let start = Instant::now();
    let data = with_features(&bytes).unwrap();
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
    assert_eq!(data.to_f32()[..3], [0.0, 2.0, 4.0]);
}

#[test]
fn headers_that_claim_too_much_need_no_memory() {
    let text = "{'descr': '<f4', 'fortran_order': False, 'shape': (1000000000000, 1000), }";
    let huge = [b"\x93NUMPY\x01\x00", &(text.len() as u16).to_le_bytes()[..], text.as_bytes(), &[0; 64]].concat();
    let (_, problem) = complaint(with_features(&huge), "x.npy");
    assert!(matches!(problem, Problem::Truncated { expected: 4_000_000_000_000_000.. }), "{problem}");
    let text = text.replace("1000)", "18446744073709551615)");
    let huge = [b"\x93NUMPY\x01\x00", &(text.len() as u16).to_le_bytes()[..], text.as_bytes(), &[0; 64]].concat();
    assert_complaint!(with_features(&huge), "x.npy", Place::Byte(0), Problem::NpyShape { .. });
    let long = [b"\x93NUMPY\x02\x00", &u32::MAX.to_le_bytes()[..], &[b' '; 64]].concat();
    assert_complaint!(with_features(&long), "x.npy", Place::Byte(8), Problem::NpyHeader(_));
}

/// Nor do archives: here the directory claims to be all of a file that is mostly a hole.
#[test]
fn a_directory_that_claims_too_much_is_not_read() {
    let path = written("x.npz", b"PK\x03\x04");
    let len: u32 = 3 << 30;
    let end = [b"PK\x05\x06", &[0; 8][..], &(len - 22).to_le_bytes(), &[0; 6]].concat();
    let mut archive = File::options().write(true).open(&path).unwrap();
    archive.seek(SeekFrom::Start(u64::from(len - 22))).unwrap();
    archive.write_all(&end).unwrap();
    let start = Instant::now();
    assert_complaint!(Dataset::from_npz(&path, "x", "y", None), "x.npz", Place::Whole, Problem::Zip(_));
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
    std::fs::remove_file(path).unwrap();
}

/// A flipped bit of an array in an archive changes its checksum; one of a name or a length is another error or has no effect.
#[test]
fn changed_bytes_never_panic_or_change_the_data() {
    for name in ["stored.npz", "deflated.npz"] {
        let whole = std::fs::read(file(name)).unwrap();
        let expected = archive(&whole).unwrap();
        let mut refused = 0;
        for (at, bit) in (0..whole.len()).flat_map(|at| (0..8).map(move |bit| (at, bit))) {
            let mut bytes = whole.clone();
            bytes[at] ^= 1 << bit;
            match archive(&bytes) {
                Ok(data) => assert_eq!(data, expected, "{name}: bit {bit} of byte {at}"),
                Err(_) => refused += 1,
            }
        }
        assert!(refused > whole.len() * 3, "{name}: {refused} of {} bits", whole.len() * 8);
    }
}
