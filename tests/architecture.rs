//! The house has floors: a module uses only modules of floors below its own, and no file outgrows
//! what can be read in one sitting.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// From the ground up. A module not listed here does not exist.
const FLOORS: &[&[&str]] = &[
    &["answer", "secret", "sqlite", "time", "visible"],
    &["identity"],
    &["terms"],
    &["browser", "measure"],
    &["token", "directory", "stamp"],
    &["policy", "resolve"],
    &["audit", "rejection"],
    &["grant"],
    &["gate"],
    &["mint", "principal"],
    &["middleware"],
    &["extract", "guard", "lambda", "otel"],
    &["cognito", "manage"],
    &["testing"],
    &["manual"],
];

const MAX_CODE_LINES: usize = 400;

#[test]
fn modules_use_only_floors_below_their_own() {
    let mut wrong = Vec::new();
    for (file, code) in sources() {
        let Some(module) = module_of(&file) else {
            continue;
        };
        let own = floor(&module).unwrap_or_else(|| panic!("{module} stands on no floor"));
        for used in used_modules(&code) {
            let below = used == module || floor(&used).is_some_and(|floor| floor < own);
            if !below {
                wrong.push(format!("{} uses crate::{used}", file.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_module_of_the_crate_stands_on_a_floor() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let modules: BTreeSet<_> = sources().filter_map(|(file, _)| module_of(&file)).collect();
    let floors: BTreeSet<_> = FLOORS
        .iter()
        .flat_map(|floor| floor.iter().map(|m| (*m).to_owned()))
        .collect();
    assert_eq!(modules, floors, "in {}", source.display());
}

#[test]
fn no_file_has_more_than_400_lines_of_code() {
    let long: Vec<_> = sources()
        .map(|(file, code)| (code.lines().count(), file))
        .filter(|(lines, _)| *lines > MAX_CODE_LINES)
        .collect();
    assert!(long.is_empty(), "{long:?}");
}

#[test]
fn the_check_sees_every_way_to_name_a_module() {
    let code = "use crate::{token::Claims, policy};\nuse crate::audit::sinks::{a, b};\nlet x = crate::gate::Gate;\nuse crate::Principal;";
    let seen: Vec<_> = used_modules(code).into_iter().collect();
    assert_eq!(seen, ["Principal", "audit", "gate", "policy", "token"]);
}

fn floor(module: &str) -> Option<usize> {
    FLOORS.iter().position(|floor| floor.contains(&module))
}

/// The first step below `src`; `None` for the root itself.
fn module_of(file: &Path) -> Option<String> {
    let below = file
        .strip_prefix(Path::new(env!("CARGO_MANIFEST_DIR")).join("src"))
        .unwrap();
    let first = below
        .components()
        .next()
        .unwrap()
        .as_os_str()
        .to_str()
        .unwrap();
    let module = first.strip_suffix(".rs").unwrap_or(first);
    (module != "lib").then(|| module.to_owned())
}

/// Whatever follows `crate::`, in `use` and in expressions, groups included.
fn used_modules(code: &str) -> BTreeSet<String> {
    let mut modules = BTreeSet::new();
    for (at, _) in code.match_indices("crate::") {
        let rest = &code[at + "crate::".len()..];
        match rest.strip_prefix('{') {
            None => {
                modules.insert(identifier(rest));
            }
            Some(group) => {
                let mut depth = 0;
                let mut start = true;
                for (i, c) in group.char_indices() {
                    match c {
                        '{' => depth += 1,
                        '}' if depth == 0 => break,
                        '}' => depth -= 1,
                        ',' if depth == 0 => start = true,
                        c if start && !c.is_whitespace() => {
                            modules.insert(identifier(&group[i..]));
                            start = false;
                        }
                        _ => {}
                    }
                }
            }
        }
    }
    modules
}

fn identifier(text: &str) -> String {
    text.chars()
        .take_while(|c| c.is_alphanumeric() || *c == '_')
        .collect()
}

/// Every source file with its code: without comments, docs, blank lines and tests.
fn sources() -> impl Iterator<Item = (PathBuf, String)> {
    let mut files = Vec::new();
    collect(
        &Path::new(env!("CARGO_MANIFEST_DIR")).join("src"),
        &mut files,
    );
    files.into_iter().filter(|file| !is_test(file)).map(|file| {
        let text = fs::read_to_string(&file).unwrap();
        let before_tests = text.split("#[cfg(test)]\nmod tests {").next().unwrap();
        let code: Vec<&str> = before_tests
            .lines()
            .filter(|line| !line.trim().is_empty() && !line.trim_start().starts_with("//"))
            .collect();
        (file, code.join("\n"))
    })
}

fn is_test(file: &Path) -> bool {
    file.components()
        .any(|part| matches!(part.as_os_str().to_str(), Some("tests" | "tests.rs")))
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
}
