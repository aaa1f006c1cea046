//! Numbers that look random, only for the `event` of a `generate` source: they depend on its seed, the event's number and the order of
//! the calls. With a key they depend on the seed and the key alone: a habit.

use rhai::Dynamic;

use super::{Call, Fail, Function, Param, Run, Types};
use crate::expr::ops;
use crate::expr::random::Random;

type Result<T = Dynamic> = std::result::Result<T, Fail>;

const KEY: Param = Param::optional("key", Types::INT.or(Types::STRING));
const SCALE: Types = Types::NUMBER;

/// The functions; what is called with a key gives the same value for the same key, in every event.
pub static FUNCTIONS: &[Function] = &[
    Function::new(
        "rand_int",
        &[Param::new("low", Types::INT), Param::new("high", Types::INT), KEY],
        Types::INT,
        "An int from `low` to `high`, both included. With a `key`, the same key always gives the same int.",
        ("rand_int(1, 6)", "6"),
        Run::Dynamic(rand_int),
    ),
    Function::new(
        "rand_float",
        &[Param::new("low", SCALE), Param::new("high", SCALE), KEY],
        Types::FLOAT,
        "A float from `low` to below `high`. With a `key`, the same key always gives the same float.",
        ("rand_float(0.0, 1.0) < 1.0", "true"),
        Run::Dynamic(rand_float),
    ),
    Function::new(
        "chance",
        &[Param::new("share", SCALE), KEY],
        Types::BOOL,
        "`true` as often as `share` says, from 0 (never) to 1 (always). With a `key`, the same key always gives the same.",
        ("chance(1.0)", "true"),
        Run::Dynamic(chance),
    ),
    Function::new(
        "choose",
        &[Param::new("from", Types::ARRAY.or(Types::OBJECT)), KEY],
        Types::ANY,
        "One item of an array, or one field's name of an object whose values are weights: `choose(#{ chip: 7, online: 3 })` is `chip` \
         seven times out of ten. With a `key`, the same key always chooses the same from the same.",
        ("choose([\"a\", \"b\", \"c\"]) in [\"a\", \"b\", \"c\"]", "true"),
        Run::Dynamic(choose),
    ),
    Function::new(
        "normal",
        &[Param::new("mean", SCALE), Param::new("deviation", SCALE), KEY],
        Types::FLOAT,
        "A float around `mean`, two thirds of them nearer to it than `deviation`: heights, durations. With a `key`, the same key \
         always gives the same float.",
        ("normal(10, 0)", "10.0"),
        Run::Dynamic(normal),
    ),
    Function::new(
        "zipf",
        &[Param::new("count", Types::INT), Param::new("exponent", SCALE), KEY],
        Types::INT,
        "An int from 0 to below `count`, small ones far more often: number `k` about as often as `1 / (k + 1)` to the power of \
         `exponent`. So some customers buy every day, and most of them rarely. With a `key`, the same key always gives the same int.",
        ("zipf(1, 1.1)", "0"),
        Run::Dynamic(zipf),
    ),
];

/// The function of this name.
pub fn find(name: &str) -> Option<&'static Function> {
    FUNCTIONS.iter().find(|function| function.name == name)
}

/// Lets `draw` have the numbers of the key, if there is one, else those of the event.
fn drawn<T>(call: &mut Call, key: Option<&Dynamic>, draw: impl FnOnce(&mut Random) -> T) -> Result<T> {
    let Some(key) = key else { return Ok(draw(&mut call.random)) };
    let mut text = String::new();
    ops::write_text_dynamic(key, &mut text)?;
    Ok(draw(&mut call.random.of_key(&text)))
}

fn float(value: &Dynamic) -> f64 {
    value.as_float().or_else(|_| value.as_int().map(|int| int as f64)).unwrap_or_default()
}

fn int(value: &Dynamic) -> i64 {
    value.as_int().unwrap_or_default()
}

fn rand_int(args: &mut [Dynamic], call: &mut Call) -> Result {
    let [low, high, key @ ..] = args else { return Ok(Dynamic::UNIT) };
    let (low, high) = (int(low), int(high));
    if low > high {
        return Err(Fail::argument(format!("`low` is {low}, which is more than `high`, {high}")));
    }
    drawn(call, key.first(), |random| random.int(low, high).into())
}

fn rand_float(args: &mut [Dynamic], call: &mut Call) -> Result {
    let [low, high, key @ ..] = args else { return Ok(Dynamic::UNIT) };
    let (low, high) = (float(low), float(high));
    if !(low <= high && (high - low).is_finite()) {
        return Err(Fail::argument(format!("there is no float from {low} to {high}")));
    }
    drawn(call, key.first(), |random| (low + random.share() * (high - low)).into())
}

fn chance(args: &mut [Dynamic], call: &mut Call) -> Result {
    let [share, key @ ..] = args else { return Ok(Dynamic::UNIT) };
    let share = float(share);
    if !(0.0..=1.0).contains(&share) {
        return Err(Fail::argument(format!("`share` must be from 0 to 1, it is {share}")));
    }
    drawn(call, key.first(), |random| (random.share() < share).into())
}

fn choose(args: &mut [Dynamic], call: &mut Call) -> Result {
    let [from, key @ ..] = args else { return Ok(Dynamic::UNIT) };
    if let Ok(items) = from.as_array_ref() {
        let last = items.len() as i64 - 1;
        if last < 0 {
            return Err(Fail::argument("the array is empty"));
        }
        let index = drawn(call, key.first(), |random| random.int(0, last))?;
        return Ok(items.get(index as usize).cloned().unwrap_or(Dynamic::UNIT));
    }
    let Ok(weights) = from.as_map_ref() else { return Ok(Dynamic::UNIT) };
    if let Some((name, _)) =
        weights.iter().find(|(_, weight)| !(weight.is_int() || weight.is_float()) || !(float(weight) >= 0.0))
    {
        return Err(Fail::argument(format!("the weight of `{name}` must be a number that is not negative")));
    }
    let shares: Vec<f64> = weights.values().map(float).collect();
    let index = drawn(call, key.first(), |random| random.weighted(&shares))?;
    match index.and_then(|index| weights.keys().nth(index)) {
        Some(name) => Ok(name.to_string().into()),
        None => Err(Fail::argument("no field of the object has a weight above 0")),
    }
}

fn normal(args: &mut [Dynamic], call: &mut Call) -> Result {
    let [mean, deviation, key @ ..] = args else { return Ok(Dynamic::UNIT) };
    let (mean, deviation) = (float(mean), float(deviation));
    if !(deviation >= 0.0) {
        return Err(Fail::argument(format!("`deviation` must not be negative, it is {deviation}")));
    }
    drawn(call, key.first(), |random| random.normal(mean, deviation).into())
}

fn zipf(args: &mut [Dynamic], call: &mut Call) -> Result {
    let [count, exponent, key @ ..] = args else { return Ok(Dynamic::UNIT) };
    let (count, exponent) = (int(count), float(exponent));
    if count < 1 || !(exponent >= 0.0) {
        return Err(Fail::argument(format!(
            "`count` must be at least 1 and `exponent` at least 0; they are {count} and {exponent}"
        )));
    }
    drawn(call, key.first(), |random| random.zipf(count, exponent).into())
}
