//! Upkeep of the project.
fn main() {}
