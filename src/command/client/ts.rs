//! TypeScript: the types of parameters and results, as declarations of the ES module.

use super::file::File;
use super::{Service, capital, comment, js};
use crate::management::rpc::definitions::Accepted;
use crate::management::rpc::method::{Method, Parameter};
use crate::management::rpc::shape::Shape;

const TEMPLATE: &str = include_str!("template/management.d.ts");
const README: &str = include_str!("template/ts.md");

/// The name of the declarations.
pub(super) const DECLARATIONS: &str = "turntable-management.d.ts";

/// The ES module with its declarations.
pub(super) fn files(services: &[Service]) -> Vec<File> {
    vec![
        js::module(services),
        File::new(DECLARATIONS, declarations(services)),
        js::package(),
        File::new("README.md", README),
    ]
}

/// The declarations of the module.
pub(super) fn declarations(services: &[Service]) -> String {
    let interfaces: String = services.iter().map(interface).collect();
    let fields = services.iter().map(|(name, _)| {
        let class = capital(name);
        format!("  readonly {name}: {class}Service;\n")
    });
    TEMPLATE
        .replace("@SERVICES@\n", &interfaces)
        .replace("@SERVICE_FIELDS@\n", &fields.collect::<String>())
}

fn interface((name, methods): &Service) -> String {
    let methods = methods.iter().map(signatures);
    let methods = methods.collect::<Vec<String>>().join("\n");
    format!(
        "/** The service `{name}`. */\nexport interface {}Service {{\n{methods}}}\n\n",
        capital(name)
    )
}

/// The signatures of a method: one that lists has a second one for pages.
fn signatures(method: &Method) -> String {
    let comment = js::comment(method, false);
    let line = |parameters: &[String], result: &str| {
        let parameters = parameters.join(", ");
        format!(
            "{comment}  {}({parameters}): Promise<{result}>;\n",
            method.name
        )
    };
    let all: Vec<String> = method.parameters.iter().map(parameter).collect();
    let Shape::Page(field, shape) = method.result else {
        return line(&all, &of_shape(&method.result));
    };
    let (needed, _) = super::parted(method);
    let needed: Vec<String> = needed.into_iter().map(parameter).collect();
    let everything = line(&needed, &of_shape(shape));
    everything + &line(&all, &page(field, shape))
}

fn parameter(parameter: &Parameter) -> String {
    let name = js::variable(parameter.name);
    let of = accepted(parameter.of.accepted());
    match parameter.is_optional {
        true => format!("{name}?: {of} | null"),
        false => format!("{name}: {of}"),
    }
}

/// The type of a parameter.
pub(super) const fn accepted(of: Accepted) -> &'static str {
    match of {
        Accepted::TextOrNumber => "string | number",
        Accepted::List => "ReadonlyArray<string | number>",
        Accepted::Text => "string",
        Accepted::Count => "number",
        Accepted::Any => "unknown",
        Accepted::Object => "object",
    }
}

/// The type of a result.
pub(super) fn of_shape(shape: &Shape) -> String {
    match shape {
        Shape::Any => "Json".to_owned(),
        Shape::Boolean => "boolean".to_owned(),
        Shape::Count | Shape::Number => "number".to_owned(),
        Shape::Text => "string".to_owned(),
        Shape::Nullable(shape) => format!("{} | null", of_shape(shape)),
        Shape::List(shape) => format!("Array<{}>", of_shape(shape)),
        Shape::Map(shape) => format!("Record<string, {}>", of_shape(shape)),
        Shape::Object(fields) => {
            let fields = fields.iter().map(|field| {
                let mark = if field.is_optional { "?" } else { "" };
                format!("{}{mark}: {}", comment(field.name), of_shape(&field.shape))
            });
            format!("{{ {} }}", fields.collect::<Vec<_>>().join("; "))
        }
        Shape::Page(field, shape) => format!("{} | {}", of_shape(shape), page(field, shape)),
    }
}

fn page(field: &str, shape: &Shape) -> String {
    format!("{{ {field}: {}; next?: string }}", of_shape(shape))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::management::rpc::find;
    use crate::management::rpc::shape::Field;

    #[test]
    fn shapes_are_types() {
        const SHAPE: Shape = Shape::Map(&Shape::Object(&[
            Field::new("id", Shape::Text),
            Field::optional("users", Shape::List(&Shape::Nullable(&Shape::Text))),
        ]));
        let expected = "Record<string, { id: string; users?: Array<string | null> }>";
        assert_eq!(of_shape(&SHAPE), expected);
    }

    #[test]
    fn method_that_lists_has_a_signature_for_pages() {
        let method = find("user", "listAll").ok().map(signatures);
        let text = method.unwrap_or_default();
        for expected in [
            "  listAll(): Promise<Array<string>>;",
            "  listAll(limit?: number | null, after?: string | number | null): \
             Promise<{ users: Array<string>; next?: string }>;",
        ] {
            assert!(text.contains(expected), "{text}");
        }
    }
}
