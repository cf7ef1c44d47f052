//! `cordon policy schema`.

use std::process::ExitCode;

use cordon_policy::config::schema::policy_schema;

use super::output;

/// Prints the schema.
pub(super) fn run() -> Result<ExitCode, ExitCode> {
    output::print(format_args!("{:#}", policy_schema()))?;
    Ok(ExitCode::SUCCESS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_schema_beside_the_other_files_of_an_installation_is_fresh() {
        let committed = include_str!("../../../../deploy/policy.schema.json");
        let committed: serde_json::Value = serde_json::from_str(committed).unwrap();
        assert!(
            committed == policy_schema(),
            "write it again: cargo run -- policy schema > deploy/policy.schema.json"
        );
    }
}
