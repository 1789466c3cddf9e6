//! Criterion on the functions and losses of the list.

mod harness;

fn main() {
    harness::run(|group| !group.is_gemm() && !group.is_net());
}
