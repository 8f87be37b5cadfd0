//! Runs a scope.
fn main() {
    let name = std::env::args().nth(1).unwrap();
    let states = std::env::args().nth(2).and_then(|n| n.parse().ok());
    let threads = std::env::args().nth(3).and_then(|n| n.parse().ok()).unwrap_or(1);
    let scope = adieu_model::Scope::named(&name).unwrap();
    let limits = adieu_model::Limits { states, ..Default::default() };
    let out = adieu_model::check(scope, limits, threads);
    println!(
        "{} states {} unique {} depth {} cut {} time {:?} exhausted {} rate {:.0}/s",
        out.scope,
        out.states,
        out.unique,
        out.depth,
        out.cut,
        out.time,
        out.exhausted,
        out.states as f64 / out.time.as_secs_f64()
    );
    for (w, j) in adieu_model::Weather::ALL.iter().zip(out.joint) {
        println!("{}: {} {}", w.name(), j.len(), j);
    }
    for p in &out.pairs {
        println!("  {p}{}", if p.is_allowed(true) { "" } else { " NOT ALLOWED" });
    }
    if let Some(v) = out.violation {
        println!("{v}");
    }
}
