//! What a run shall come to, as a value: it can be stored, combined, printed and compared.

use std::fmt;

use adieu_core::{Duration, HandleId, Instant, State};
use adieu_trace::Side;

use crate::World;

/// Something that holds in a world or does not, and changes nothing.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Goal {
    /// The first connection is in this state at this end.
    State(Side, State),
    /// The connection of this handle has ended.
    Ended(Side, HandleId),
    /// All that was written at this end is acknowledged, and all that came is read.
    Settled(Side),
    /// This host holds nothing besides its listener: no connection, record, timer, byte or port.
    Empty(Side),
    /// No packet is under way, and no timer is armed.
    Quiet,
    /// This time has come.
    At(Instant),
    /// All of these hold at once.
    All(Vec<Goal>),
    /// One of these holds.
    Any(Vec<Goal>),
    /// This does not hold.
    Not(Box<Goal>),
}

impl Goal {
    /// Both ends of the first connection are in these states.
    pub fn states([left, right]: [State; 2]) -> Self {
        Self::All(vec![Self::State(Side::Left, left), Self::State(Side::Right, right)])
    }

    /// Whether it is reached.
    pub fn holds(&self, world: &World) -> bool {
        match self {
            Self::State(side, state) => world.state(*side) == *state,
            Self::Ended(side, handle) => world.receipt(*side, *handle).is_some(),
            Self::Settled(side) => world.leftover(*side).bytes == 0,
            Self::Empty(side) => world.leftover(*side) == Default::default(),
            Self::Quiet => world.is_quiet(),
            Self::At(time) => world.now() >= *time,
            Self::All(goals) => goals.iter().all(|goal| goal.holds(world)),
            Self::Any(goals) => goals.iter().any(|goal| goal.holds(world)),
            Self::Not(goal) => !goal.holds(world),
        }
    }
}

impl World {
    /// Runs until `goal` is reached, and says whether it was within `limit`.
    pub fn run_to(&mut self, limit: Duration, goal: &Goal) -> bool {
        self.run_until(limit, |world| goal.holds(world))
    }
}

impl fmt::Display for Goal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |f: &mut fmt::Formatter<'_>, goals: &[Self], word: &str| {
            for (n, goal) in goals.iter().enumerate() {
                write!(f, "{}{goal}", if n == 0 { "" } else { word })?;
            }
            Ok(())
        };
        match self {
            Self::State(side, state) => write!(f, "{} in {state}", name(*side)),
            Self::Ended(side, _) => write!(f, "{} ended", name(*side)),
            Self::Settled(side) => write!(f, "{} settled", name(*side)),
            Self::Empty(side) => write!(f, "{} empty", name(*side)),
            Self::Quiet => f.write_str("all quiet"),
            Self::At(time) => write!(f, "{} ns", time.as_nanos()),
            Self::All(goals) => list(f, goals, " and "),
            Self::Any(goals) => list(f, goals, " or "),
            Self::Not(goal) => write!(f, "not ({goal})"),
        }
    }
}

fn name(side: Side) -> &'static str {
    match side {
        Side::Left => "left",
        Side::Right => "right",
    }
}

#[cfg(test)]
mod tests {
    use adieu_trace::Side::{Left, Right};

    use super::*;
    use crate::Setup;

    const LONG: Duration = Duration::from_secs(3600);

    #[test]
    fn a_goodbye_is_a_row_of_goals() {
        let mut world = World::new(Setup::new(7));
        world.listen(Right);
        let client = world.connect(Left);
        assert!(world.run_to(LONG, &Goal::states([State::Established; 2])));
        let server = world.host(Right).accept().unwrap();
        world.write(Left, client, b"hello");
        assert!(!Goal::Settled(Left).holds(&world));
        world.close(Left, client);
        assert!(world.run_to(LONG, &Goal::Any(vec![Goal::Quiet, Goal::State(Right, State::CloseWait)])));
        assert!(!Goal::Quiet.holds(&world));
        world.read(Right, server);
        world.close(Right, server);
        let parted = Goal::All(vec![Goal::Ended(Left, client), Goal::Ended(Right, server)]);
        assert!(world.run_to(LONG, &parted));
        assert!(world.run_to(LONG, &Goal::states([State::TimeWait, State::Closed])));
        for (side, handle) in [(Left, client), (Right, server)] {
            world.release(side, handle);
        }
        assert!(world.run_to(LONG, &Goal::All(vec![Goal::Empty(Left), Goal::Empty(Right), Goal::Quiet])));
    }

    #[test]
    fn a_goal_that_is_not_reached_takes_all_the_time_it_is_given() {
        let mut world = World::new(Setup::new(7));
        let never = Goal::Not(Box::new(Goal::Quiet));
        assert!(!world.run_to(LONG, &never));
        assert!(Goal::At(Instant::ZERO + LONG).holds(&world));
        assert_eq!(
            Goal::All(vec![never, Goal::State(Left, State::Closed)]).to_string(),
            "not (all quiet) and left in CLOSED"
        );
    }
}
