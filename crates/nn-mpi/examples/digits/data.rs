//! The images of one rank.

use std::ops::Range;
use std::path::Path;

use nn::collective::Part;
use nn::data::{CsvOptions, Dataset, Scaler};

const DIGITS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../data/digits.csv.gz");

/// Some rows of a data set.
pub(crate) struct Images {
    data: Dataset,
    pub(crate) cols: usize,
    pub(crate) classes: usize,
    /// Rows over all ranks.
    pub(crate) total: usize,
}

impl Images {
    fn new(data: &Dataset, rows: Range<usize>) -> nn::Result<Self> {
        let own = data.select(&rows.collect::<Vec<_>>())?;
        Ok(Images { data: own, cols: data.cols(), classes: data.classes().unwrap_or_default(), total: data.rows() })
    }

    pub(crate) fn part(&self) -> Part<'_> {
        Part::new((self.data.features(), self.data.labels().unwrap_or_default()), self.total)
    }
}

/// What one rank needs of the training and the test images: of each set the rows that `own` says of their number.
pub(crate) fn load(
    idx_files: Option<&Path>,
    seed: u64,
    own: impl Fn(usize) -> nn::Result<Range<usize>>,
) -> nn::Result<(Images, Images)> {
    let (training, test) = match idx_files {
        Some(directory) => read_idx(directory)?,
        None => {
            let mut digits = Dataset::from_csv(DIGITS, &CsvOptions::default())?;
            // Pixels are 0 to 16.
            Scaler::constant(digits.cols(), 1.0 / 16.0).apply(&mut digits)?;
            digits.split(0.2, seed)?
        }
    };
    let own = |data: &Dataset| own(data.rows()).and_then(|rows| Images::new(data, rows));
    Ok((own(&training)?, own(&test)?))
}

fn read_idx(directory: &Path) -> nn::Result<(Dataset, Dataset)> {
    let file = |name: &str| {
        let (plain, compressed) = (directory.join(name), directory.join(format!("{name}.gz")));
        if compressed.exists() && !plain.exists() { compressed } else { plain }
    };
    let training = Dataset::from_idx(file("train-images-idx3-ubyte"), file("train-labels-idx1-ubyte"), None)?;
    let classes = training.classes();
    let test = Dataset::from_idx(file("t10k-images-idx3-ubyte"), file("t10k-labels-idx1-ubyte"), classes)?;
    Ok((training, test))
}
