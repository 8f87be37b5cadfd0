//! Time stamps: what a script writes for our clock, and what it really says.
//!
//! Our clock begins anywhere. Each `TS val` that a script expects is a name for the value that left, which the latest
//! packet with that name gives; an `ecr` that comes in is looked up among them. Values never named, and those held
//! against the clock (`--tcp_ts_tick_usecs`), lie as far from a named one in the script as on the wire.

use std::time::Duration;

/// The names a script has given to values of our clock, on one connection.
#[derive(Clone, Debug, Default)]
pub(crate) struct Stamps {
    /// In the script, and on the wire; each name once, the first one first.
    named: Vec<(u32, u32)>,
}

/// How closely values must follow the clock.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tick {
    /// How long one lasts.
    pub(crate) length: Duration,
    /// How far a value may be off.
    pub(crate) tolerance: Duration,
    /// How fast the script runs.
    pub(crate) scale: f64,
}

impl Stamps {
    /// A packet expected with `script` has left with `wire`.
    pub(crate) fn name(&mut self, script: u32, wire: u32) {
        match self.named.iter_mut().find(|(known, _)| *known == script) {
            Some((_, value)) => *value = wire,
            None => self.named.push((script, wire)),
        }
    }

    /// What an `ecr` means on the wire. Zero, as long as it is nobody's name, is no time stamp.
    pub(crate) fn on_wire(&self, script: u32) -> u32 {
        if let Some((_, wire)) = self.named.iter().find(|(known, _)| *known == script) {
            return *wire;
        }
        let nearest = self.named.iter().min_by_key(|(known, _)| distance(*known, script));
        match nearest {
            Some((known, wire)) if script != 0 => wire.wrapping_add(script.wrapping_sub(*known)),
            Some(_) | None => script,
        }
    }

    /// What a script would call a value, so that it can be shown.
    pub(crate) fn in_script(&self, value: u32) -> u32 {
        let nearest = self.named.iter().min_by_key(|(_, wire)| distance(*wire, value));
        nearest.map_or(value, |(known, wire)| known.wrapping_add(value.wrapping_sub(*wire)))
    }

    /// Whether our clock has advanced from the first name to this one as the script says.
    pub(crate) fn is_in_time(&self, script: u32, wire: u32, tick: &Tick) -> bool {
        let Some((first, began)) = self.named.first() else { return true };
        let advanced = |from: u32, to: u32| f64::from(to.wrapping_sub(from).cast_signed());
        let off = advanced(*began, wire) - advanced(*first, script) * tick.scale;
        off.abs() * tick.length.as_secs_f64() <= tick.tolerance.as_secs_f64()
    }
}

fn distance(one: u32, other: u32) -> u32 {
    one.wrapping_sub(other).min(other.wrapping_sub(one))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tick(scale: f64) -> Tick {
        Tick { length: Duration::from_millis(1), tolerance: Duration::from_millis(4), scale }
    }

    #[test]
    fn a_name_means_the_value_that_left_last_under_it() {
        let mut stamps = Stamps::default();
        assert_eq!((stamps.on_wire(100), stamps.on_wire(0), stamps.in_script(7)), (100, 0, 7));
        stamps.name(100, 5000);
        assert_eq!((stamps.on_wire(100), stamps.in_script(5000)), (5000, 100));
        stamps.name(100, 5200);
        assert_eq!(stamps.on_wire(100), 5200);
    }

    #[test]
    fn what_has_no_name_lies_as_far_from_the_nearest() {
        let mut stamps = Stamps::default();
        stamps.name(100, u32::MAX);
        stamps.name(900, 300);
        assert_eq!((stamps.on_wire(90), stamps.on_wire(110)), (u32::MAX - 10, 9));
        assert_eq!((stamps.on_wire(899), stamps.on_wire(1000)), (299, 400));
        assert_eq!((stamps.in_script(u32::MAX - 10), stamps.in_script(299)), (90, 899));
        assert_eq!(stamps.on_wire(0), 0, "no echo is no echo");
        stamps.name(0, 77);
        assert_eq!(stamps.on_wire(0), 77, "unless a value of ours has that name");
    }

    #[test]
    fn the_clock_is_held_against_the_first_name() {
        let mut stamps = Stamps::default();
        assert!(stamps.is_in_time(100, u32::MAX, &tick(1.0)));
        stamps.name(100, u32::MAX);
        for (script, wire, holds) in
            [(110, 9, true), (110, 13, true), (110, 14, false), (110, 5, true), (110, 4, false)]
        {
            assert_eq!(stamps.is_in_time(script, wire, &tick(1.0)), holds, "{script} {wire}");
        }
        assert!(stamps.is_in_time(1100, 499, &tick(0.5)) && !stamps.is_in_time(1100, 999, &tick(0.5)));
    }
}
