//! The kernels alone, as in a crate that depends on nothing else of this workspace: the nearest of some points by one product.

use kernels::{GemmOptions, KernelSet, MatMut, MatRef};

const POINTS: usize = 1000;
const QUERIES: usize = 5;
const DIMENSIONS: usize = 64;

fn main() {
    let kernels = KernelSet::best();
    let points: Vec<f32> = (0..POINTS * DIMENSIONS).map(|i| ((i * 7919) % 1009) as f32 / 1009.0).collect();
    // Each query is a point, moved a little.
    let nearest = [3, 141, 592, 653, 999];
    let moves = [0.01, -0.01].into_iter().cycle();
    let moved =
        |point: usize| points[point * DIMENSIONS..][..DIMENSIONS].iter().zip(moves.clone()).map(|(x, by)| x + by);
    let queries: Vec<f32> = nearest.iter().flat_map(|&point| moved(point)).collect();

    // |q - p|² = |q|² - 2 q·p + |p|², of which |q|² does not matter: the largest 2 q·p - |p|² is the nearest.
    let squares: Vec<f32> = points.chunks(DIMENSIONS).map(|point| kernels.sum_squares(point)).collect();
    let mut closeness: Vec<f32> = (0..QUERIES).flat_map(|_| squares.iter().map(|square| -square)).collect();
    kernels.gemm(
        2.0,
        MatRef::from_row_major(&queries, QUERIES, DIMENSIONS),
        MatRef::from_row_major(&points, POINTS, DIMENSIONS).t(),
        1.0,
        MatMut::from_row_major(&mut closeness, QUERIES, POINTS),
        &GemmOptions::default(),
    );
    let mut found = [0; QUERIES];
    kernels.argmax(POINTS, &closeness, &mut found);
    println!("{}: nearest of {POINTS} points to {QUERIES} queries {found:?}", kernels.isa());
    assert_eq!(found.map(|point| point as usize), nearest);
}
