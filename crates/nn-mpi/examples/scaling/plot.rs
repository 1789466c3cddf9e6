//! Computation against communication, a panel for each net.

use std::error::Error;

use plotters::coord::Shift;
use plotters::prelude::*;

use crate::model::{BATCH, Compute, Network, RANKS};

const SIZE: (u32, u32) = (1080, 400);
const COMPUTING: RGBColor = RGBColor(31, 119, 180);
const SUMMING: [RGBColor; 2] = [RGBColor(44, 160, 44), RGBColor(214, 39, 40)];
const GRID: RGBColor = RGBColor(225, 225, 225);

/// The time of a step by the number of ranks, both axes logarithmic.
pub(crate) fn to_svg(computes: &[Compute], networks: &[Network; 2]) -> Result<String, Box<dyn Error>> {
    let mut svg = String::new();
    draw(&SVGBackend::with_string(&mut svg, SIZE).into_drawing_area(), computes, networks)?;
    Ok(svg)
}

fn draw(
    area: &DrawingArea<SVGBackend<'_>, Shift>,
    computes: &[Compute],
    networks: &[Network; 2],
) -> Result<(), Box<dyn Error>> {
    area.fill(&WHITE)?;
    let caption = format!("Time of a step of {BATCH} rows: computing on each rank, and summing the gradients of all");
    let area = area.titled(&caption, ("sans-serif", 19))?;
    for (compute, area) in computes.iter().zip(area.split_evenly((1, computes.len()))) {
        let lines = [
            ("computing".to_owned(), COMPUTING, RANKS.map(|ranks| compute.compute_seconds(ranks))),
            sums(compute, &networks[0], SUMMING[0]),
            sums(compute, &networks[1], SUMMING[1]),
        ];
        let milliseconds = || lines.iter().flat_map(|line| line.2).map(|seconds| 1e3 * seconds);
        let lowest = milliseconds().fold(f64::INFINITY, f64::min);
        let highest = milliseconds().fold(lowest, f64::max);
        let (first, last) = (RANKS[0] as f64, RANKS[RANKS.len() - 1] as f64);
        let mut chart = ChartBuilder::on(&area)
            .caption(&compute.name, ("sans-serif", 17))
            .margin(10)
            .x_label_area_size(40)
            .y_label_area_size(55)
            // Room for the legend above the curves.
            .build_cartesian_2d(
                (first..last).log_scale().base(2.0).with_key_points(RANKS.map(|ranks| ranks as f64).to_vec()),
                (lowest / 1.5..highest * 12.0).log_scale(),
            )?;
        chart
            .configure_mesh()
            .x_desc("ranks")
            .y_desc("milliseconds")
            .x_label_formatter(&f64::to_string)
            .y_label_formatter(&f64::to_string)
            .bold_line_style(GRID)
            .light_line_style(TRANSPARENT)
            .axis_desc_style(("sans-serif", 14))
            .label_style(("sans-serif", 12))
            .draw()?;
        for (name, colour, seconds) in lines {
            let line = colour.stroke_width(2);
            let points = RANKS.into_iter().zip(seconds).map(|(ranks, seconds)| (ranks as f64, 1e3 * seconds));
            chart
                .draw_series(LineSeries::new(points, line))?
                .label(name)
                .legend(move |(x, y)| PathElement::new([(x, y), (x + 20, y)], line));
        }
        chart
            .configure_series_labels()
            .position(SeriesLabelPosition::UpperMiddle)
            .background_style(WHITE)
            .border_style(GRID)
            .label_font(("sans-serif", 12))
            .draw()?;
    }
    area.present()?;
    Ok(())
}

fn sums(compute: &Compute, network: &Network, colour: RGBColor) -> (String, RGBColor, [f64; RANKS.len()]) {
    (format!("summing, {}", network.name), colour, RANKS.map(|ranks| compute.sum_seconds(network, ranks)))
}
