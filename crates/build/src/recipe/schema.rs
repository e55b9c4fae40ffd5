//! What recipes look like, for editors.

use super::Recipe;

/// The JSON Schema of recipes, as text.
pub fn schema() -> String {
    let schema = schemars::schema_for!(Recipe);
    let mut text = serde_json::to_string_pretty(&schema).expect("a schema has only string keys");
    text.push('\n');
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(recipe: &str) -> bool {
        let schema = serde_json::from_str(&schema()).unwrap();
        let recipe: serde_json::Value = toml::from_str(recipe).unwrap();
        jsonschema::validator_for(&schema).unwrap().is_valid(&recipe)
    }

    #[test]
    fn editors_know_what_the_reader_knows() {
        let good = "name = 'a'\nversion = '1'\nsummary = 's'\nlicense = 'MIT'\n";
        assert!(check(good));
        assert!(check(&format!("{good}[build]\nsystem = 'meson'\n[needs]\nstatic = ['b']\n")));
        for wrong in
            ["colour = 1", "revision = 'x'", "[build]\nsystem = 'scons'", "[trust]\ntier = 9\nvouched-by = 'x'"]
        {
            assert!(!check(&format!("{good}{wrong}\n")), "{wrong}");
        }
    }

    /// `cargo run -- build schema > docs/recipe.schema.json` writes it.
    #[test]
    fn the_published_schema_is_this_one() {
        assert_eq!(include_str!("../../../../docs/recipe.schema.json"), schema());
    }

    #[test]
    fn every_recipe_of_the_tree_reads() {
        let schema = serde_json::from_str(&schema()).unwrap();
        let validator = jsonschema::validator_for(&schema).unwrap();
        let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/../../recipes");
        let tree = crate::RecipeTree::read(std::path::Path::new(directory)).unwrap();
        assert!(tree.recipes.len() > 10);
        for recipe in tree.recipes.values() {
            let text = std::fs::read_to_string(&recipe.path).unwrap();
            let value: serde_json::Value = toml::from_str(&text).unwrap();
            assert!(validator.is_valid(&value), "{}", recipe.path.display());
        }
    }
}
