//! What relation fields mean.

use super::*;

/// Writes a parsed field back in one normal form.
fn normal(text: &str) -> String {
    let groups = parse_relations(text).unwrap();
    let group = |group: &Vec<Relation<'_>>| group.iter().map(|one| format!("{one}")).collect::<Vec<_>>().join(" | ");
    groups.iter().map(group).collect::<Vec<_>>().join(", ")
}

#[test]
fn fields_parse_into_groups_of_alternatives() {
    for (input, expected) in [
        ("a", "a"),
        ("a,b , c", "a, b, c"),
        ("a (>= 1:2~b) [amd64 !i386] <!nocheck> | b:any, c", "a (>= 1:2~b) | b:any, c"),
        ("a(<<1),b( = 2 )", "a (<< 1), b (= 2)"),
        ("a (> 1) | b (< 2)", "a (>= 1) | b (<= 2)"),
        ("a (>= 1),\n b,\n", "a (>= 1), b"),
        ("libc6:amd64 (= 2.36-9), gcc:native", "libc6:amd64 (= 2.36-9), gcc:native"),
        ("", ""),
        (" , ,", ""),
    ] {
        assert_eq!(normal(input), expected);
    }
}

#[test]
fn malformed_fields_are_refused() {
    for text in ["a (>= 1", "a b", "a (>= )", "a (=> 1)", "a (>= 1) (<< 2)", "-a", "a | ", "a:b:c", "a: ", "a/b", "ä"]
    {
        assert!(parse_relations(text).is_err(), "{text}");
    }
    for text in ["a (>= 1)", "a | b", "a [x|y]"] {
        assert!(parse_provides(text).is_err(), "{text}");
    }
}

#[test]
fn brackets_say_where_a_relation_applies() {
    let applies =
        |text, architecture, profiles: &[&str]| parse_relations(text).unwrap()[0][0].applies(architecture, profiles);
    for (text, architecture, profiles, expected) in [
        ("a", "amd64", &[][..], true),
        ("a [amd64]", "amd64", &[], true),
        ("a [amd64]", "i386", &[], false),
        ("a [!amd64]", "i386", &[], true),
        ("a [!amd64 !i386]", "i386", &[], false),
        ("a [linux-any]", "arm64", &[], true),
        ("a [any-i386]", "hurd-i386", &[], true),
        ("a [hurd-any]", "amd64", &[], false),
        ("a <!nocheck>", "amd64", &[], true),
        ("a <!nocheck>", "amd64", &["nocheck"], false),
        ("a <cross nodoc> <stage1>", "amd64", &["stage1"], true),
        ("a <cross nodoc> <stage1>", "amd64", &["cross"], false),
    ] {
        assert_eq!(applies(text, architecture, profiles), expected, "{text} {architecture} {profiles:?}");
    }
}

#[test]
fn architectures_are_crossed_as_multi_arch_says() {
    use MultiArch::*;
    for (text, ours, theirs, multi_arch, expected) in [
        ("a", "amd64", "amd64", No, true),
        ("a", "i386", "amd64", No, false),
        ("a", "i386", "amd64", Same, false),
        ("a", "i386", "amd64", Foreign, true),
        ("a", "i386", "amd64", Allowed, false),
        ("a:any", "i386", "amd64", Allowed, true),
        ("a:any", "amd64", "amd64", No, false),
        ("a:native", "i386", "amd64", No, true),
        ("a:i386", "amd64", "i386", No, true),
        ("a:i386", "amd64", "amd64", Foreign, false),
    ] {
        let groups = parse_relations(text).unwrap();
        assert_eq!(groups[0][0].crosses(ours, "amd64", theirs, multi_arch), expected, "{text} {ours} {theirs}");
    }
}

#[test]
fn provisions_have_exact_versions_or_none() {
    let provided = parse_provides("mail-transport-agent, libfoo (= 1.2), bar:any (= 3)").unwrap();
    let group = |text| parse_relations(text).unwrap().remove(0).remove(0);
    assert!(group("mail-transport-agent").admits_provided(provided[0].version));
    assert!(!group("mail-transport-agent (>= 1)").admits_provided(provided[0].version));
    assert!(group("libfoo (>= 1)").admits_provided(provided[1].version));
    assert!(!group("libfoo (>= 2)").admits_provided(provided[1].version));
    assert_eq!(provided[2].qualifier, Some(Qualifier::Any));
}

proptest::proptest! {
    #[test]
    fn any_text_parses_or_is_refused(text in "([a-c]|[(\\[<:,|>\\])!=~. -]|[0-9]|é){0,60}") {
        let _ = parse_relations(&text);
        let _ = parse_provides(&text);
    }

    #[test]
    fn parts_come_out_as_they_went_in(name in "[a-z][a-z0-9+.-]{1,5}", qualifier in "(any|native|amd64|i386)?",
                                      operator in 0..6usize, version in "([0-9]:)?[0-9][0-9a-z.~+]{0,4}(-[0-9])?",
                                      words in proptest::collection::vec("!?[a-z]{1,4}", 0..3), gap in "[ \n]{0,2}") {
        let operator = [None, Some("<<"), Some("<="), Some("="), Some(">="), Some(">>")][operator];
        let mut text = name.clone();
        if !qualifier.is_empty() {
            text.push_str(&format!(":{qualifier}"));
        }
        if let Some(operator) = operator {
            text.push_str(&format!("{gap}({operator}{gap}{version}{gap})"));
        }
        if !words.is_empty() {
            text.push_str(&format!("{gap}[{}]{gap}<{}>", words.join(" "), words.join(" ")));
        }
        let groups = parse_relations(&text).unwrap();
        let [group] = &groups[..] else { panic!("{text}") };
        let [relation] = &group[..] else { panic!("{text}") };
        let found = relation.constraint.map(|constraint| (constraint.operator.as_str(), constraint.version.as_str()));
        proptest::prop_assert_eq!(relation.name.as_str(), name);
        proptest::prop_assert_eq!(relation.qualifier.map_or(String::new(), |found| found.to_string()), qualifier);
        proptest::prop_assert_eq!(found, operator.map(|operator| (operator, version.as_str())));
        let shown = |test: &Test<'_>| format!("{}{}", if test.negated { "!" } else { "" }, test.word);
        proptest::prop_assert_eq!(relation.architectures.iter().map(shown).collect::<Vec<_>>(), words.clone());
        proptest::prop_assert_eq!(relation.profiles.concat().iter().map(shown).collect::<Vec<_>>(), words);
    }

    #[test]
    fn the_normal_form_is_stable(text in "[a-c]{1,3}(:any)?( ?\\((>=|<<|=) [0-9.~]{1,3}[0-9]\\))?([,|] [a-c]{1,3}){0,4}") {
        if parse_relations(&text).is_ok() {
            let once = normal(&text);
            proptest::prop_assert_eq!(normal(&once), once);
        }
    }
}
