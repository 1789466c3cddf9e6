//! New inputs from old ones.

use ::tests::random::Random;

/// The longest input, so that each is quick.
const LONGEST: usize = 4096;

/// Bytes that are at an edge of something.
const EDGES: [u8; 16] = [0, 1, 2, 8, 16, 32, 64, 127, 128, 255, b'"', b',', b'\n', b'.', b'e', b'-'];

/// Text that numbers may be.
const WORDS: [&[u8]; 10] =
    [b"NaN", b"-inf", b"1e999", b"1e-60", b"65536", b"4294967296", b"18446744073709551615", b"-0", b"0.5", b"\r\n"];

/// An input of the corpus with one to eight changes.
pub fn mutate(corpus: &[Vec<u8>], random: &mut Random) -> Vec<u8> {
    let mut input = corpus[random.below(corpus.len())].clone();
    for _ in 0..=random.below(8) {
        let other = &corpus[random.below(corpus.len())];
        change(&mut input, other, random);
    }
    input.truncate(LONGEST);
    input
}

fn change(input: &mut Vec<u8>, other: &[u8], random: &mut Random) {
    let at = random.below(input.len() + 1);
    let len = random.below((input.len() - at).min(64) + 1);
    match random.below(8) {
        // A bit, a byte, an edge.
        0 if at < input.len() => input[at] ^= 1 << random.below(8),
        1 if at < input.len() => input[at] = random.below(256) as u8,
        2 if at < input.len() => input[at] = random.choose(&EDGES),
        // Less.
        3 => drop(input.drain(at..at + len)),
        4 if random.below(8) == 0 => input.truncate(at),
        // More: of itself, of another, of a number.
        5 => {
            let copy = input[at..at + len].to_vec();
            let to = random.below(input.len() + 1);
            input.splice(to..to, copy);
        }
        6 => {
            let from = random.below(other.len() + 1);
            let len = random.below((other.len() - from).min(64) + 1);
            input.splice(at..at, other[from..from + len].iter().copied());
        }
        7 => drop(input.splice(at..at + len.min(4), random.choose(&WORDS).iter().copied())),
        _ => input.insert(at, random.below(256) as u8),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mutations_depend_on_the_seed_alone_and_differ() {
        let corpus = vec![b"1,2,3\n4,5,6\n".to_vec(), vec![]];
        let run = |seed| {
            let mut random = Random::new(seed);
            (0..1000).map(|_| mutate(&corpus, &mut random)).collect::<Vec<_>>()
        };
        assert_eq!(run(1), run(1));
        assert_ne!(run(1), run(2));
        let distinct: std::collections::HashSet<_> = run(1).into_iter().collect();
        assert!(distinct.len() > 500, "{}", distinct.len());
    }
}
