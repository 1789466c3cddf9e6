//! Rows that are held out of the shards.

use nn::collective::{Collective, Part, Sharding, Single, Threads};
use nn::{BatchSize, Features, MatRef, Model, TrainOptions, Trainer};

const ROWS: usize = 200;

#[test]
fn the_same_rows_are_held_out_for_any_number_of_ranks() {
    let x: Vec<f32> = (0..2 * ROWS).map(|at| (at * 37 % 101) as f32 / 50.0 - 1.0).collect();
    let labels: Vec<u32> = (0..ROWS).map(|row| u32::from(x[2 * row] > x[2 * row + 1])).collect();
    let by_columns: Vec<f32> = (0..2).flat_map(|col| x.iter().skip(col).step_by(2)).copied().collect();
    let sharding = Sharding { shards: 8, ..Sharding::default() };
    let options = TrainOptions {
        sharding: Some(sharding),
        batch_size: BatchSize::Rows(16),
        validation_fraction: 0.25,
        max_epochs: 4,
        tol: None,
        threads: 1,
        ..TrainOptions::default()
    };
    let train = |collective: &mut dyn Collective, as_view: bool| {
        let rows = sharding.rows(collective.rank(), collective.size(), ROWS).unwrap();
        let own = match as_view {
            true => Features::View(MatRef::from_row_major(&by_columns, 2, ROWS).t().row_range(rows.start, rows.end)),
            false => Features::Rows(&x[2 * rows.start..2 * rows.end]),
        };
        let mut trainer = Trainer::new(Model::logistic_regression(2).unwrap(), options).unwrap();
        let report = trainer.fit_over(collective, Part::new((own, &labels[rows]), ROWS)).unwrap();
        let losses: Vec<_> = report.epochs.iter().map(|epoch| epoch.validation.map(|held_out| held_out.loss)).collect();
        let weights: Vec<u32> =
            trainer.model().parameters().flat_map(|p| p.as_slice().to_vec()).map(f32::to_bits).collect();
        (losses, weights)
    };
    let alone = train(&mut Single, false);
    assert!(alone.0.iter().all(|loss| loss.is_some_and(|loss| loss.is_finite() && loss > 0.0)), "{alone:?}");
    for ranks in [2, 4, 8] {
        for as_view in [false, true] {
            for of_rank in Threads::run(ranks, |collective| train(collective, as_view)) {
                assert_eq!(of_rank, alone, "{ranks} ranks, as a view: {as_view}");
            }
        }
    }
}
