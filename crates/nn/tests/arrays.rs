//! Arrays of `ndarray` as rows.
#![cfg(feature = "ndarray")]

use std::borrow::Cow;

use ndarray::{arr2, s};
use nn::arrays::{from_rows, rows};

#[test]
fn rows_are_borrowed_where_they_lie_as_needed() {
    let x = arr2(&[[1, 2, 3], [4, 5, 6], [7, 8, 9]]);
    assert!(matches!(rows(x.view()), Cow::Borrowed([1, 2, .., 9])));
    assert!(matches!(rows(x.slice(s![1.., ..])), Cow::Borrowed([4, 5, .., 9])));
    for (view, expected) in [
        (x.t(), [1, 4, 7, 2, 5, 8, 3, 6, 9].to_vec()),
        (x.slice(s![..;-1, ..2]), [7, 8, 4, 5, 1, 2].to_vec()),
        (x.slice(s![..;2, ..;2]), [1, 3, 7, 9].to_vec()),
    ] {
        assert!(matches!(rows(view), Cow::Owned(copied) if copied == expected));
    }
}

#[test]
fn rows_that_are_not_whole_are_refused() {
    assert_eq!(from_rows(vec![1, 2, 3, 4], 2).unwrap(), arr2(&[[1, 2], [3, 4]]));
    assert!(from_rows(vec![1, 2, 3], 2).is_err() && from_rows(vec![1], 0).is_err());
}
