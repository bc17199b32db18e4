//! The order of everything: each call of a node or client to the rows or to the bucket waits until it is chosen, and one
//! is carried out at a time. The chosen order depends on the seed alone.

use std::collections::HashSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use gantry::domain::clock::{Entropy, SeededEntropy};
use tokio::sync::{Notify, oneshot};

use crate::support::faulty::{Fault, Gate, Passage};

/// Identity of a node in its present life, or of the clients.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Caller(pub u32);

/// The clients: they are never cut off as a whole.
pub const CLIENTS: Caller = Caller(0);

/// Faults that happen by chance, each in so many of a thousand calls.
#[derive(Clone, Copy)]
pub struct Odds {
    pub refused: u64,
    pub answer_lost: u64,
    /// The node ends before the call is carried out, or before it hears of it.
    pub died: u64,
    /// The call stands still for up to [`LONGEST_STALL`], as in a process that is frozen: leases end meanwhile.
    pub stalled: u64,
}

const LONGEST_STALL: Duration = Duration::from_secs(60);

/// How a planned call ends badly.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadEnd {
    Refused,
    AnswerLost,
    /// The node ends before the call is carried out.
    DiedBefore,
    /// The call is carried out, and the node ends before it hears of it.
    DiedAfter,
}

impl BadEnd {
    pub const ALL: [Self; 4] = [Self::Refused, Self::AnswerLost, Self::DiedBefore, Self::DiedAfter];
}

/// Which call comes next, and how it ends.
pub enum Choice<'a> {
    /// Both by chance. `None`: each call ends well.
    Dice(&'a SeededEntropy, Option<Odds>),
    /// The waiting calls in turn; those with these numbers end badly.
    Plan(&'a [(u64, BadEnd)]),
}

/// What happened, in numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TurnCount {
    pub calls: u64,
    pub refused: u64,
    pub answers_lost: u64,
    pub deaths: u64,
    pub stalls: u64,
    /// Digest of every choice, equal for equal runs.
    pub trace: u64,
}

struct Waiter {
    caller: Caller,
    operation: &'static str,
    words: String,
    admit: oneshot::Sender<(Passage, oneshot::Sender<()>)>,
}

/// The calls that wait, and what has happened.
pub struct Turns {
    began: tokio::time::Instant,
    waiting: Mutex<Vec<Waiter>>,
    stalled: Mutex<Vec<(tokio::time::Instant, Waiter)>>,
    dead: Mutex<HashSet<Caller>>,
    cut_off: Mutex<HashSet<Caller>>,
    count: Mutex<TurnCount>,
    operations: Mutex<Vec<&'static str>>,
    arrived: Notify,
}

/// Ends a call when dropped. Meanwhile the virtual clock stands: threads of the database and the store are at work, and no
/// timer may run out for their slowness.
struct Turn {
    _clock: std::sync::mpsc::Sender<()>,
    _done: Option<oneshot::Sender<()>>,
}

/// Holds the virtual clock until the sender is dropped: it does not move while a blocking task runs.
pub fn hold_clock() -> std::sync::mpsc::Sender<()> {
    let (held, end) = std::sync::mpsc::channel::<()>();
    tokio::task::spawn_blocking(move || end.recv());
    held
}

pub fn roll(dice: &SeededEntropy, sides: u64) -> u64 {
    let mut bytes = [0; 8];
    dice.fill(&mut bytes);
    u64::from_le_bytes(bytes) % sides
}

impl Turns {
    pub fn new() -> Self {
        Self {
            began: tokio::time::Instant::now(),
            waiting: Mutex::default(),
            stalled: Mutex::default(),
            dead: Mutex::default(),
            cut_off: Mutex::default(),
            count: Mutex::default(),
            operations: Mutex::default(),
            arrived: Notify::new(),
        }
    }

    /// The gate of a node or of the clients.
    pub fn gate(self: &Arc<Self>, caller: Caller) -> Arc<dyn Gate> {
        Arc::new(CallerGate { turns: Arc::clone(self), caller })
    }

    /// A node ends here: no call of it begins any more, and none that it waits for is heard of.
    pub fn kill(&self, caller: Caller) {
        self.dead.lock().unwrap().insert(caller);
        self.waiting.lock().unwrap().retain(|waiter| waiter.caller != caller);
        self.stalled.lock().unwrap().retain(|(_, waiter)| waiter.caller != caller);
        self.count.lock().unwrap().deaths += 1;
    }

    /// A node is cut off from rows and bucket, or reaches them again.
    pub fn cut_off(&self, caller: Caller, cut: bool) {
        let mut off = self.cut_off.lock().unwrap();
        if cut {
            off.insert(caller);
        } else {
            off.remove(&caller);
        }
    }

    pub fn count(&self) -> TurnCount {
        *self.count.lock().unwrap()
    }

    /// Operations of the calls so far, in their order.
    pub fn operations(&self) -> Vec<&'static str> {
        self.operations.lock().unwrap().clone()
    }

    /// Lets one of the waiting calls happen; `None` if none waits. The node that is to end with this call is returned.
    pub async fn take(&self, choice: &Choice<'_>) -> Option<Option<Caller>> {
        let waiter = {
            let mut waiting = self.waiting.lock().unwrap();
            let now = tokio::time::Instant::now();
            waiting.extend(self.stalled.lock().unwrap().extract_if(.., |(until, _)| *until <= now).map(|(_, it)| it));
            // Threads of the database wake tasks in any order; which call is chosen must not depend on it.
            waiting.sort_by(|a, b| (a.caller.0, a.operation, &a.words).cmp(&(b.caller.0, b.operation, &b.words)));
            let many = waiting.len() as u64;
            let which = match choice {
                _ if many == 0 => return None,
                Choice::Dice(dice, _) => roll(dice, many),
                Choice::Plan(_) => self.count().calls % many,
            };
            waiting.remove(usize::try_from(which).unwrap())
        };
        if let Choice::Dice(dice, Some(odds)) = choice
            && roll(dice, 1000) < odds.stalled
        {
            let stall = LONGEST_STALL.mul_f64(roll(dice, 1000) as f64 / 1000.0);
            self.count.lock().unwrap().stalls += 1;
            self.stalled.lock().unwrap().push((tokio::time::Instant::now() + stall, waiter));
            return Some(None);
        }
        let end = self.choose(&waiter, choice);
        let dies = matches!(end, Some(BadEnd::DiedBefore | BadEnd::DiedAfter));
        if end == Some(BadEnd::DiedBefore) {
            return Some(Some(waiter.caller));
        }
        let fault = end.map(|end| match end {
            BadEnd::Refused => Fault::Refused,
            BadEnd::AnswerLost => Fault::AnswerLost,
            BadEnd::DiedBefore | BadEnd::DiedAfter => Fault::Died,
        });
        let writes = waiter.operation.starts_with("put_");
        let (done, mut ended) = oneshot::channel();
        if waiter.admit.send((Passage { fault, turn: None }, done)).is_ok() {
            loop {
                tokio::select! {
                    biased;
                    _ = &mut ended => break,
                    () = self.arrived.notified(), if writes => self.let_in_reads(waiter.caller),
                }
            }
        }
        Some(dies.then_some(waiter.caller))
    }

    /// A write to the bucket may read the bytes that it writes from there: such a read is part of the call at work.
    fn let_in_reads(&self, caller: Caller) {
        let mut waiting = self.waiting.lock().unwrap();
        while let Some(at) = waiting.iter().position(|waiter| waiter.caller == caller && waiter.operation == "get") {
            let (done, _) = oneshot::channel();
            let _ = waiting.remove(at).admit.send((Passage::default(), done));
        }
    }

    /// Decides how a call ends, and counts it.
    fn choose(&self, waiter: &Waiter, choice: &Choice<'_>) -> Option<BadEnd> {
        let number = self.count().calls + 1;
        let end = match choice {
            Choice::Dice(dice, odds) => self.by_chance(waiter.caller, dice, *odds),
            Choice::Plan(plan) => plan.iter().find(|(at, _)| *at == number).map(|(_, end)| *end),
        };
        // The clients are many: they do not die as one.
        let end = end.map(|end| match end {
            BadEnd::DiedBefore | BadEnd::DiedAfter if waiter.caller == CLIENTS => BadEnd::AnswerLost,
            other => other,
        });
        let mut count = self.count.lock().unwrap();
        count.calls = number;
        count.refused += u64::from(end == Some(BadEnd::Refused));
        count.answers_lost += u64::from(end == Some(BadEnd::AnswerLost));
        let told = format!("{:?} {} {end:?}", waiter.caller, waiter.operation);
        if std::env::var_os("GANTRY_TEST_SIMULATION_TRACE").is_some() {
            println!("{number} {told} {} at {:?}", waiter.words, self.began.elapsed());
        }
        // FNV-1a.
        count.trace = told.bytes().fold(count.trace ^ 0xcbf2_9ce4_8422_2325, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
        self.operations.lock().unwrap().push(waiter.operation);
        end
    }

    fn by_chance(&self, caller: Caller, dice: &SeededEntropy, odds: Option<Odds>) -> Option<BadEnd> {
        let (chance, before) = (roll(dice, 1000), roll(dice, 2) == 0);
        let Odds { refused, answer_lost, died, .. } = odds?;
        let ends = [
            (refused, BadEnd::Refused),
            (answer_lost, BadEnd::AnswerLost),
            (died, if before { BadEnd::DiedBefore } else { BadEnd::DiedAfter }),
        ];
        if self.cut_off.lock().unwrap().contains(&caller) {
            return Some(BadEnd::Refused);
        }
        let mut bound = 0;
        ends.into_iter().find_map(|(odds, end)| {
            bound += odds;
            (chance < bound).then_some(end)
        })
    }
}

struct CallerGate {
    turns: Arc<Turns>,
    caller: Caller,
}

#[async_trait]
impl Gate for CallerGate {
    async fn enter(&self, operation: &'static str, words: String) -> Passage {
        let (admit, admitted) = oneshot::channel();
        if !self.turns.dead.lock().unwrap().contains(&self.caller) {
            self.turns.waiting.lock().unwrap().push(Waiter { caller: self.caller, operation, words, admit });
            self.turns.arrived.notify_one();
        } else {
            drop(admit);
        }
        match admitted.await {
            Ok((passage, done)) => {
                let turn = Turn { _clock: hold_clock(), _done: Some(done) };
                Passage { turn: Some(Box::new(turn)), ..passage }
            }
            // The node is dead.
            Err(_) => std::future::pending().await,
        }
    }
}

/// Waits until nothing can run without a call that waits, or a timer: the paused clock moves on only then.
pub async fn settle() {
    tokio::time::sleep(Duration::from_millis(1)).await;
}
