//! IDX files of images and labels.

use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use nn::data::Dataset;
use nn::file::{Place, Problem};
use tempfile::TempDir;

use crate::{complaint, gzip};

const IMAGES: &str = "images";
const LABELS: &str = "labels";

/// Three images of 2x2 pixels.
fn images() -> Vec<u8> {
    let header = [0, 0, 8, 3, 0, 0, 0, 3, 0, 0, 0, 2, 0, 0, 0, 2];
    header.into_iter().chain([0, 51, 102, 153, 204, 255, 0, 0, 1, 2, 3, 4]).collect()
}

fn labels() -> Vec<u8> {
    vec![0, 0, 8, 1, 0, 0, 0, 3, 2, 0, 1]
}

struct Files(TempDir);

impl Files {
    fn new(images: &[u8], labels: &[u8]) -> Self {
        let files = Files(tempfile::tempdir().unwrap());
        fs::write(files.path(IMAGES), images).unwrap();
        fs::write(files.path(LABELS), labels).unwrap();
        files
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn read(&self, classes: Option<usize>) -> nn::Result<Dataset> {
        Dataset::from_idx(self.path(IMAGES), self.path(LABELS), classes)
    }
}

fn read(images: &[u8], labels: &[u8]) -> nn::Result<Dataset> {
    Files::new(images, labels).read(None)
}

/// `bytes` with the byte at `at` replaced.
fn with(mut bytes: Vec<u8>, at: usize, byte: u8) -> Vec<u8> {
    bytes[at] = byte;
    bytes
}

#[test]
fn plain_and_compressed_files_are_read() {
    let plain = read(&images(), &labels()).unwrap();
    assert_eq!((plain.rows(), plain.cols(), plain.classes()), (3, 4, Some(3)));
    assert_eq!(plain.targets(), nn::Targets::Labels(&[2, 0, 1]));
    assert!(matches!(plain.features(), nn::Features::Bytes { bytes: [0, 51, .., 4], .. }), "{plain:?}");
    let expected = [0.0, 0.2, 0.4, 0.6, 0.8, 1.0];
    let near =
        plain.to_f32().iter().zip(expected).all(|(pixel, expected)| (pixel - expected).abs() <= f32::EPSILON / 2.0);
    assert!(near, "{plain:?}");
    assert_eq!(read(&gzip(&images()), &labels()).unwrap(), plain);
    assert_eq!(read(&images(), &gzip(&labels())).unwrap(), plain);

    let in_two_members = [gzip(&images()[..20]), gzip(&images()[20..])].concat();
    assert_eq!(read(&in_two_members, &labels()).unwrap(), plain);
}

#[test]
fn headers_are_checked() {
    let read_images = |images: Vec<u8>| read(&images, &labels());
    assert_complaint!(read_images(with(images(), 1, 7)), IMAGES, Place::Byte(0), Problem::Magic { found: [0, 7] });
    assert_complaint!(
        read_images(with(images(), 2, 0x0d)),
        IMAGES,
        Place::Byte(2),
        Problem::ElementType { found: 0x0d }
    );
    assert_complaint!(read_images(labels()), IMAGES, Place::Byte(3), Problem::Dimensions { expected: 3, found: 1 });
    assert_complaint!(
        read(&images(), &images()),
        LABELS,
        Place::Byte(3),
        Problem::Dimensions { expected: 1, found: 3 }
    );
    assert_complaint!(read_images(with(images(), 7, 0)), IMAGES, Place::Byte(4), Problem::NoRows);
    assert_complaint!(
        read_images(with(images(), 15, 0)),
        IMAGES,
        Place::Byte(8),
        Problem::ImageShape { rows: 2, cols: 0 }
    );
    assert_complaint!(
        read(&images(), &with(labels(), 7, 2)),
        LABELS,
        Place::Byte(4),
        Problem::LabelCount { images: 3, labels: 2 }
    );
}

#[test]
fn labels_are_checked_against_the_classes() {
    let files = Files::new(&images(), &labels());
    assert_eq!(files.read(Some(5)).unwrap().classes(), Some(5));
    assert_complaint!(files.read(Some(2)), LABELS, Place::Byte(8), Problem::LabelOutOfRange { label: 2, classes: 2 });
}

#[test]
fn every_cut_is_found() {
    for len in 0..images().len() {
        let (place, problem) = complaint(read(&images()[..len], &labels()), IMAGES);
        let claimed = if len < 16 { 16 } else { 28 };
        assert_eq!(place, Place::Byte(len as u64));
        assert!(matches!(problem, Problem::Truncated { expected } if expected == claimed), "{problem:?}");
    }
    for len in 0..labels().len() {
        let (place, problem) = complaint(read(&images(), &labels()[..len]), LABELS);
        assert_eq!(place, Place::Byte(len as u64), "{problem}");
    }
    let compressed = gzip(&images());
    for len in 0..compressed.len() {
        complaint(read(&compressed[..len], &labels()), IMAGES);
    }
}

#[test]
fn what_follows_the_data_is_found() {
    let longer = [images(), vec![0]].concat();
    for images in [longer.clone(), gzip(&longer)] {
        assert_complaint!(read(&images, &labels()), IMAGES, Place::Byte(28), Problem::TrailingBytes { expected: 28 });
    }
    let after_gzip = [gzip(&images()), vec![1, 2, 3]].concat();
    assert_complaint!(read(&after_gzip, &labels()), IMAGES, Place::Byte(28), Problem::Io(_));
}

#[test]
fn damage_under_compression_is_found() {
    let mut compressed = gzip(&images());
    let checksum = compressed.len() - 8;
    compressed[checksum] ^= 1;
    assert_complaint!(read(&compressed, &labels()), IMAGES, Place::Byte(28), Problem::Io(_));
}

#[test]
fn changed_bytes_never_panic() {
    let (images, labels) = (images(), labels());
    for (at, mask) in (0..images.len()).flat_map(|at| [1, 0x80, 0xff].map(|mask| (at, mask))) {
        let _ = read(&with(images.clone(), at, images[at] ^ mask), &labels);
    }
    for (at, mask) in (0..labels.len()).flat_map(|at| [1, 0x80, 0xff].map(|mask| (at, mask))) {
        let _ = read(&images, &with(labels.clone(), at, labels[at] ^ mask));
    }
    let compressed = gzip(&images);
    for (at, mask) in (0..compressed.len()).flat_map(|at| [1, 0x80, 0xff].map(|mask| (at, mask))) {
        let _ = read(&with(compressed.clone(), at, compressed[at] ^ mask), &labels);
    }
}

/// A reader that believed these headers would ask for terabytes.
#[test]
fn claims_cost_nothing() {
    let start = Instant::now();
    let claims = |count: [u8; 4], side: [u8; 4]| [vec![0, 0, 8, 3], count.into(), side.into(), side.into()].concat();
    let most = [0xff; 4];
    for (count, side) in [(most, [0, 0, 0, 28]), ([0, 0, 0, 1], [0x7f; 4])] {
        let result = read(&claims(count, side), &labels());
        assert_complaint!(result, IMAGES, Place::Byte(16), Problem::Truncated { .. });
    }
    assert_complaint!(read(&claims(most, most), &labels()), IMAGES, Place::Byte(8), Problem::ImageShape { .. });
    assert!(start.elapsed() < Duration::from_secs(1));
}

/// 1 GB of zeros in 1 MB, behind a header that claims 12 of them.
#[test]
fn decompression_stops_at_the_claimed_size() {
    let bomb = [gzip(&images()[..16]), gzip(&vec![0; 1 << 20]).repeat(1000)].concat();
    let start = Instant::now();
    assert_complaint!(read(&bomb, &labels()), IMAGES, Place::Byte(28), Problem::TrailingBytes { expected: 28 });
    assert!(start.elapsed() < Duration::from_secs(1));
}

#[test]
fn missing_files_and_directories_are_named() {
    let files = Files::new(&images(), &labels());
    let missing = Dataset::from_idx(files.path("none"), files.path(LABELS), None);
    assert_complaint!(missing, "none", Place::Whole, Problem::Io(_));
    fs::create_dir(files.path("folder")).unwrap();
    let folder = Dataset::from_idx(files.path(IMAGES), files.path("folder"), None);
    assert_complaint!(folder, "folder", Place::Whole, Problem::Io(_));
}
