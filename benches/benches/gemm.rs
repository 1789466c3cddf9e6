//! Criterion on the products of the list.

mod harness;

use benches::Group;

fn main() {
    harness::run(Group::is_gemm);
}
