//! Criterion on the nets of the list.

mod harness;

use benches::Group;

fn main() {
    harness::run(Group::is_net);
}
