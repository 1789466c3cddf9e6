//! How the threads that compute reach the one that may call the collective, which is that on which training was called.
//!
//! Messages carry buffers there and back, so that exchanging them takes no memory.

use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::{Duration, Instant};

use super::{Collective, CollectiveError, Exchange};
use crate::error::{Error, Result};
use crate::train::Communication;

/// A call that is asked for; the same with the answer in it.
pub(crate) enum Message {
    Sum(Vec<f32>),
    AllGather {
        part: Vec<u8>,
        all: Vec<u8>,
    },
    /// From rank 0.
    Broadcast(Vec<u8>),
}

/// The end of those who ask: answers come in the order of the questions.
pub(crate) struct Link {
    pub(crate) rank: usize,
    pub(crate) size: usize,
    questions: SyncSender<Message>,
    answers: Receiver<Message>,
    /// A byte that goes to and fro.
    byte: Vec<u8>,
    waited: Duration,
}

/// The end of who calls the collective.
pub(crate) struct Calls {
    exchange: Exchange,
    questions: Receiver<Message>,
    answers: SyncSender<Message>,
}

/// Both ends, for up to `room` messages under way.
pub(crate) fn link(collective: &dyn Collective, exchange: Exchange, room: usize) -> (Link, Calls) {
    let ((ask, questions), (answer, answers)) = (sync_channel(room), sync_channel(room));
    let (rank, size) = (collective.rank(), collective.size());
    let link = Link { rank, size, questions: ask, answers, byte: vec![0], waited: Duration::ZERO };
    (link, Calls { exchange, questions, answers: answer })
}

impl Link {
    pub(crate) fn ask(&self, message: Message) -> Result<()> {
        self.questions.send(message).map_err(|_| self.ended())
    }

    /// The next answer, when it is there.
    pub(crate) fn answer(&mut self) -> Result<Message> {
        let start = Instant::now();
        let answer = self.answers.recv();
        self.waited += start.elapsed();
        answer.map_err(|_| self.ended())
    }

    /// What rank 0 says, when no other answer is open.
    pub(crate) fn tell(&mut self, yes: bool) -> Result<bool> {
        let mut byte = std::mem::take(&mut self.byte);
        byte.fill(u8::from(yes));
        self.ask(Message::Broadcast(byte))?;
        if let Message::Broadcast(byte) = self.answer()? {
            self.byte = byte;
        }
        Ok(self.byte == [1])
    }

    pub(crate) fn waited_seconds(&self) -> f64 {
        self.waited.as_secs_f64()
    }

    /// Whoever called the collective has the cause.
    fn ended(&self) -> Error {
        CollectiveError::new(self.rank, "a call", "the calls have ended").into()
    }
}

impl Calls {
    /// Calls the collective as asked, until all is asked or a call fails.
    pub(crate) fn serve(self, collective: &mut dyn Collective) -> Result<Communication, CollectiveError> {
        let mut done = Communication::default();
        while let Ok(mut message) = self.questions.recv() {
            let start = Instant::now();
            let bytes = match &mut message {
                Message::Sum(values) => {
                    match self.exchange {
                        Exchange::Ordered => collective.sum(values)?,
                        Exchange::Fast => collective.sum_unordered(values)?,
                    }
                    size_of_val(&values[..])
                }
                Message::AllGather { part, all } => {
                    collective.all_gather(part, all)?;
                    part.len()
                }
                Message::Broadcast(bytes) => {
                    collective.broadcast(0, bytes)?;
                    if collective.rank() == 0 { bytes.len() } else { 0 }
                }
            };
            done.seconds += start.elapsed().as_secs_f64();
            done.calls += 1;
            done.bytes += bytes as u64;
            // Nobody waits for it where the training has ended with an error.
            if self.answers.send(message).is_err() {
                break;
            }
        }
        Ok(done)
    }
}
