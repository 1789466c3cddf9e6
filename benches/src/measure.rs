//! The clock.

use crate::check::Wrong;
use crate::engines::Role;
use crate::stats::Summary;
use crate::trial::Trial;
use std::time::Duration;

/// How long to measure.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// How often each engine has its turn.
    pub rounds: usize,
    /// The least duration of a turn: a call is repeated to fill it.
    pub sample: Duration,
    /// What all turns of an engine may take on one case; one turn it has in any event.
    pub budget: Duration,
}

impl Plan {
    /// Figures to rely on.
    pub const FULL: Plan = Plan { rounds: 151, sample: Duration::from_millis(1), budget: Duration::from_secs(3) };
    /// Figures at a glance.
    pub const QUICK: Plan = Plan { rounds: 51, sample: Duration::from_micros(500), budget: Duration::from_millis(600) };

    /// What the turns of the plain loops may take, which nobody waits for.
    const NAIVE_BUDGET: Duration = Duration::from_millis(200);
}

/// What an engine did on a case.
#[derive(Clone, Copy, Debug)]
pub struct Outcome {
    /// The engine.
    pub name: &'static str,
    /// What it is to the comparison.
    pub role: Role,
    /// Nanoseconds a call, or why there are none.
    pub nanoseconds: Result<Summary, Wrong>,
}

/// An engine that takes part.
struct Contender {
    engine: usize,
    /// Calls before the clock of a turn starts: the state of caches, of branch prediction and of the core's clock is then the
    /// engine's own, and not what its predecessor left.
    unclocked: u32,
    /// Calls that a turn clocks.
    calls: u32,
    /// Turns that it has.
    turns: usize,
    samples: Vec<f64>,
}

/// Checks each engine's answer, then times those that are right, in turns, so that a disturbance meets all alike.
pub fn measure(trial: &mut dyn Trial, plan: Plan) -> Vec<Outcome> {
    let engines = trial.engines();
    let mut contenders: Vec<Result<Contender, Wrong>> =
        engines.iter().enumerate().map(|(engine, (_, role))| enlist(trial, engine, *role, plan)).collect();
    let count = contenders.len();
    for round in 0..plan.rounds {
        trial.move_to(round);
        // Another one first each time: who follows whom makes a difference.
        for turn in 0..count {
            if let Ok(contender) = &mut contenders[(round + turn) % count]
                && contender.samples.len() < contender.turns
            {
                trial.time(contender.engine, contender.unclocked);
                let elapsed = trial.time(contender.engine, contender.calls);
                contender.samples.push(elapsed.as_nanos() as f64 / f64::from(contender.calls));
            }
        }
    }
    let summaries = contenders.into_iter().map(|contender| contender.map(|contender| Summary::of(&contender.samples)));
    engines.into_iter().zip(summaries).map(|((name, role), nanoseconds)| Outcome { name, role, nanoseconds }).collect()
}

/// Judges the answer of the first call, then finds how many calls and turns there are to be.
fn enlist(trial: &mut dyn Trial, engine: usize, role: Role, plan: Plan) -> Result<Contender, Wrong> {
    trial.spoil();
    let first = trial.time(engine, 1);
    trial.check()?;
    let budget = if role == Role::Naive { Plan::NAIVE_BUDGET } else { plan.budget };
    if first > budget {
        return Ok(Contender { engine, unclocked: 0, calls: 1, turns: 1, samples: vec![first.as_nanos() as f64] });
    }
    let (mut calls, mut elapsed) = (1, trial.time(engine, 1));
    while elapsed < plan.sample {
        let missing = plan.sample.as_secs_f64() / elapsed.as_secs_f64().max(1e-9);
        calls = (f64::from(calls) * missing.clamp(1.2, 16.0)).ceil() as u32;
        elapsed = trial.time(engine, calls);
    }
    let unclocked = calls.div_ceil(4);
    let turn = elapsed.as_secs_f64() * f64::from(unclocked + calls) / f64::from(calls);
    let affordable = (budget.as_secs_f64() / turn) as usize;
    Ok(Contender { engine, unclocked, calls, turns: affordable.clamp(1, plan.rounds), samples: Vec::new() })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Engine 0 is right, engine 1 is wrong.
    #[derive(Default)]
    struct Fake {
        last: usize,
        runs: [usize; 2],
    }

    impl Trial for Fake {
        fn engines(&self) -> Vec<(&'static str, Role)> {
            vec![("right", Role::Ours), ("wrong", Role::Peer)]
        }

        fn run(&mut self, engine: usize) {
            self.last = engine;
            self.runs[engine] += 1;
        }

        fn spoil(&mut self) {}

        fn check(&self) -> Result<(), Wrong> {
            let wrong = Wrong { row: 0, col: 0, found: 0.0, expected: 1.0, bound: 0.0 };
            if self.last == 0 { Ok(()) } else { Err(wrong) }
        }
    }

    #[test]
    fn a_wrong_answer_is_reported_and_not_timed() {
        let plan = Plan { rounds: 3, sample: Duration::from_micros(10), budget: Duration::from_millis(10) };
        let mut fake = Fake::default();
        let outcomes = measure(&mut fake, plan);
        assert_eq!(outcomes[0].nanoseconds.unwrap().samples, 3);
        assert_eq!(outcomes[1].nanoseconds.unwrap_err().expected, 1.0);
        assert_eq!(fake.runs[1], 1);
        assert!(fake.runs[0] > 3);
    }
}
