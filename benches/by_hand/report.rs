//! Rows of results with their goals.

/// One result.
pub struct Row<'a> {
    name: &'a str,
    value: f64,
    goal: Option<f64>,
}

impl<'a> Row<'a> {
    pub fn new(name: &'a str, value: f64) -> Row<'a> {
        Row { name, value, goal: None }
    }

    /// What the value may be at most.
    pub fn goal(self, goal: f64) -> Row<'a> {
        Row { goal: Some(goal), ..self }
    }

    pub fn print(self) {
        match self.goal {
            Some(goal) => {
                println!("{:<40} {:>9.3} {goal:>6.2} {:>7}", self.name, self.value, verdict(self.value, goal))
            }
            None => println!("{:<40} {:>9.3}", self.name, self.value),
        }
    }
}

/// Whether a goal was met.
pub fn verdict(value: f64, goal: f64) -> &'static str {
    if value <= goal { "met" } else { "missed" }
}

pub fn title(text: &str) {
    println!("\n{text}\n");
}

/// What is allowed for noise where a cost should stay as it is.
const FLAT: f64 = 1.2;

/// Costs by hand and of the runner, beside what they were with less.
pub fn growth(name: &str, [hand, runner]: [f64; 2], [hand_first, runner_first]: [f64; 2]) {
    let (by_hand, growth) = (hand / hand_first, runner / runner_first);
    println!(
        "{name:<32} {hand:>7.0} {runner:>7.0} {by_hand:>6.2} {growth:>6.2} {FLAT:>6.2} {:>7}",
        verdict(growth, FLAT)
    );
}
