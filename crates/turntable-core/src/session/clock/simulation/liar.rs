//! What liars gain over their honest selves.

use super::*;

#[test]
fn liar_gains_at_most_ten_ms_and_half_the_jitter() {
    use Behaviour::{ChosenEpoch, ClaimsThePast, FalseT0, NoPongs, Reconnects, SleepingClock};
    for path in PATHS {
        let bound_ms = 10.0 + path.round_trip_jitter_ms() / 2.0;
        let liars = [
            ClaimsThePast,
            FalseT0,
            ChosenEpoch,
            SleepingClock,
            NoPongs,
            Reconnects,
        ];
        for behaviour in liars {
            let gains = gains(path, behaviour, false);
            let most_ms = gains.iter().copied().fold(f64::MIN, f64::max);
            println!("{path:?} {behaviour:?}: gains {most_ms:.0} of {bound_ms:.0} ms");
            assert!(most_ms <= bound_ms, "{path:?} {behaviour:?}: {most_ms} ms");
        }
    }
}

#[test]
fn bursts_of_a_tenth_of_the_time_gain_little_and_those_of_all_half_of_what_they_delay() {
    for path in PATHS {
        let bound_ms = 10.0 + path.round_trip_jitter_ms() / 2.0;
        let bursts = [
            (2_000.0, 200.0, bound_ms),
            (6_000.0, 600.0, bound_ms),
            (10_000.0, 1_000.0, bound_ms),
            (2_000.0, 1_500.0, bound_ms + BURST_MS / 2.0),
        ];
        for (every_ms, lasts_ms, bound_ms) in bursts {
            let gains = gains(path, Behaviour::Bursts { every_ms, lasts_ms }, false);
            let (most_ms, usual_ms) = (quantile(gains.clone(), 1.0), quantile(gains, 0.99));
            println!(
                "{path:?} bursts of {lasts_ms} in {every_ms}: gain {most_ms:.0}, {usual_ms:.0} \
                 (p99) of {bound_ms:.0} ms"
            );
            assert!(usual_ms <= bound_ms, "{path:?} {lasts_ms}: {usual_ms} ms");
        }
    }
}

#[test]
fn delayed_pongs_gain_up_to_the_limit_unless_the_kernel_bounds() {
    for path in PATHS {
        let bound_ms = 10.0 + path.round_trip_jitter_ms() / 2.0;
        let most = |is_bound| {
            let gains = gains(path, Behaviour::DelayedPongs(PONG_LATE_MS), is_bound);
            gains.into_iter().fold(f64::MIN, f64::max)
        };
        let (free_ms, bounded_ms) = (most(false), most(true));
        println!("{path:?} late pongs: gain {free_ms:.0} ms, bounded {bounded_ms:.0} ms");
        // Half of the delay, and what every liar gains.
        assert!(
            free_ms <= bound_ms + PONG_LATE_MS / 2.0,
            "{path:?}: {free_ms}"
        );
        assert!(free_ms <= MAX_LAG_MS as f64);
        assert!(bounded_ms <= bound_ms, "{path:?}: {bounded_ms} ms");
    }
}

#[test]
fn liar_is_not_ahead_of_a_rival_that_acted_before_it_by_more_than_it_gains() {
    for path in PATHS {
        let ahead_ms = 10.0 + path.round_trip_jitter_ms() / 2.0 + 5.0;
        let rivals = errors(path, WARM_UP_MS, false);
        let of_seed = |seed| play(path, Behaviour::ClaimsThePast, seed, LIAR_MS, false);
        let liars = SEEDS.flat_map(of_seed);
        let (mut count, mut wrong) = (0, 0);
        // The rival's delays are of another seed.
        for (liar, rival_error_ms) in liars.zip(rivals.into_iter().rev()) {
            count += 1;
            let rival_ms = liar.acted_ms - ahead_ms + rival_error_ms;
            wrong += usize::from(liar.stamp_ms < rival_ms);
        }
        println!("{path:?}: {wrong} of {count} out of order");
        assert!(wrong * 100 <= count, "{path:?}: {wrong} of {count}");
    }
}

#[test]
fn pongs_that_are_late_by_any_time_gain_nothing_where_the_kernel_bounds() {
    for path in PATHS {
        let bound_ms = 10.0 + path.round_trip_jitter_ms() / 2.0;
        for late_ms in [10.0, 30.0, 40.0, 50.0, 60.0, 90.0, 150.0, 1_000.0] {
            let gains = gains(path, Behaviour::DelayedPongs(late_ms), true);
            let most_ms = gains.into_iter().fold(f64::MIN, f64::max);
            println!("{path:?} pongs {late_ms} late: gain {most_ms:.0} of {bound_ms:.0} ms");
            assert!(most_ms <= bound_ms, "{path:?} {late_ms}: {most_ms} ms");
        }
    }
}

#[test]
fn late_pongs_on_a_path_that_became_slower_gain_what_acknowledgements_are_late() {
    for path in PATHS {
        let path = Path {
            slower_ms: 100.0,
            ..path
        };
        let bound_ms = 10.0 + path.round_trip_jitter_ms() / 2.0 + ACKNOWLEDGEMENT_LATE_MS;
        let behaviour = Behaviour::DelayedPongs(PONG_LATE_MS);
        let of_seed = |seed| {
            let honest = play(path, Behaviour::Honest, seed, LIAR_MS, true);
            let liar = play(path, behaviour, seed, LIAR_MS, true);
            let pairs = honest.into_iter().zip(liar);
            // Before, the honest one is late.
            let pairs =
                pairs.filter(|(honest, _)| honest.acted_ms >= START_MS + CHANGE_MS + AGAIN_MS);
            pairs.map(|(honest, liar)| honest.stamp_ms - liar.stamp_ms)
        };
        let most_ms = SEEDS.flat_map(of_seed).fold(f64::MIN, f64::max);
        println!("{path:?}: gain {most_ms:.0} of {bound_ms:.0} ms");
        assert!(most_ms <= bound_ms, "{path:?}: {most_ms} ms");
    }
}
