//! Criterion on the functions and losses of the list.

mod harness;

use benches::Group;

fn main() {
    harness::run(|group| matches!(group, Group::Math | Group::Loss | Group::Memory));
}
