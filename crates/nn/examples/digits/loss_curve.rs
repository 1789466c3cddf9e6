//! The loss curve as a picture.

use std::error::Error;
use std::ops::Range;

use plotters::prelude::*;

const SIZE: (u32, u32) = (800, 500);
const TRAINING: RGBColor = RGBColor(31, 119, 180);
const TEST: RGBColor = RGBColor(214, 39, 40);
const GRID: RGBColor = RGBColor(225, 225, 225);

/// The loss before training and after each epoch, on the rows that the model learns from and on those held out.
#[derive(Default)]
pub(crate) struct LossCurve {
    training: Vec<f64>,
    test: Vec<f64>,
}

impl LossCurve {
    pub(crate) fn push(&mut self, training: f64, test: f64) {
        self.training.push(training);
        self.test.push(test);
    }

    /// A drawing of both curves over the epochs, the loss on a logarithmic axis.
    pub(crate) fn to_svg(&self) -> Result<String, Box<dyn Error>> {
        let both = || self.training.iter().chain(&self.test).copied();
        // A loss can be 0 where every answer is right and certain, and a logarithm cannot show that.
        let lowest = both().fold(f64::INFINITY, f64::min).max(1e-6);
        let highest = both().fold(lowest, f64::max);
        let losses = lowest * 0.8..highest * 1.25;
        let loss_axis = losses.clone().log_scale().with_key_points(one_two_five(losses));
        let epochs = self.training.len().saturating_sub(1).max(1);

        let mut svg = String::new();
        let area = SVGBackend::with_string(&mut svg, SIZE).into_drawing_area();
        area.fill(&WHITE)?;
        let mut chart = ChartBuilder::on(&area)
            .caption("Loss by epoch", ("sans-serif", 22))
            .margin(15)
            .x_label_area_size(45)
            .y_label_area_size(65)
            .build_cartesian_2d(0..epochs, loss_axis)?;
        chart
            .configure_mesh()
            .x_desc("epoch")
            .y_desc("softmax cross-entropy")
            .y_label_formatter(&f64::to_string)
            .bold_line_style(GRID)
            .light_line_style(TRANSPARENT)
            .axis_desc_style(("sans-serif", 16))
            .label_style(("sans-serif", 14))
            .draw()?;
        for (name, losses, colour) in [("training", &self.training, TRAINING), ("test", &self.test, TEST)] {
            let line = colour.stroke_width(2);
            let points = losses.iter().enumerate().map(|(epoch, &loss)| (epoch, loss.max(lowest)));
            chart
                .draw_series(LineSeries::new(points, line))?
                .label(name)
                .legend(move |(x, y)| PathElement::new([(x, y), (x + 20, y)], line));
        }
        chart
            .configure_series_labels()
            .position(SeriesLabelPosition::UpperRight)
            .background_style(WHITE)
            .border_style(GRID)
            .label_font(("sans-serif", 16))
            .draw()?;
        area.present()?;
        drop(chart);
        drop(area);
        Ok(svg)
    }
}

/// 1, 2 and 5 times each power of ten, as far as the range goes.
fn one_two_five(range: Range<f64>) -> Vec<f64> {
    let powers = range.start.log10().floor() as i32..=range.end.log10().ceil() as i32;
    // Parsed, since 5 times 10^-5 in f64 is not the number nearest to 0.00005.
    let numbers = powers.flat_map(|power| [1, 2, 5].map(|digit| format!("{digit}e{power}").parse()));
    numbers.flatten().filter(|number| range.contains(number)).collect()
}
