//! JavaScript: an ES module with promises, and CommonJS with callbacks, as seed 002 has it:
//! `service/NAME.js` with the definition of a service, and `rpc/proxy/http.js`.

use super::file::File;
use super::{Service, about, capital, ts};
use crate::management::rpc::definitions;
use crate::management::rpc::method::Method;

const MODULE: &str = include_str!("template/management.js");
const PROXY: &str = include_str!("template/http.js");
const README: &str = include_str!("template/js.md");

/// Words that are no names of variables in modules.
const RESERVED: &[&str] = &[
    "arguments",
    "await",
    "break",
    "case",
    "catch",
    "class",
    "const",
    "continue",
    "debugger",
    "default",
    "delete",
    "do",
    "else",
    "enum",
    "eval",
    "export",
    "extends",
    "false",
    "finally",
    "for",
    "function",
    "if",
    "implements",
    "import",
    "in",
    "instanceof",
    "interface",
    "let",
    "new",
    "null",
    "package",
    "private",
    "protected",
    "public",
    "return",
    "static",
    "super",
    "switch",
    "this",
    "throw",
    "true",
    "try",
    "typeof",
    "var",
    "void",
    "while",
    "with",
    "yield",
];

pub(super) fn files(services: &[Service]) -> Vec<File> {
    let mut files = vec![
        module(services),
        File::new(ts::DECLARATIONS, ts::declarations(services)),
        package(),
        File::new("rpc/package.json", common_js()),
        File::new("rpc/proxy/http.js", PROXY),
        File::new("service/package.json", common_js()),
    ];
    files.extend(services.iter().map(definition));
    files.push(File::new("README.md", README));
    files
}

/// The ES module.
pub(super) fn module(services: &[Service]) -> File {
    let classes: String = services.iter().map(class).collect();
    let fields = services.iter().map(|(name, _)| {
        let class = capital(name);
        format!("    {name}: new {class}Service(call),\n")
    });
    let text = MODULE
        .replace("@SERVICES@\n", &classes)
        .replace("@SERVICE_FIELDS@\n", &fields.collect::<String>());
    File::new("turntable-management.js", text)
}

/// The description of the ES module, for Node and for bundlers.
pub(super) fn package() -> File {
    let text = format!(
        "{{\n  \"name\": \"turntable-management\",\n  \"description\": \"@MARKER@\",\n  \
         \"private\": true,\n  \"type\": \"module\",\n  \"main\": \"turntable-management.js\",\n  \
         \"types\": \"{}\"\n}}\n",
        ts::DECLARATIONS
    );
    File::new("package.json", text)
}

/// Says that the modules of a folder are CommonJS.
fn common_js() -> String {
    "{\n  \"description\": \"@MARKER@\",\n  \"private\": true,\n  \"type\": \"commonjs\"\n}\n"
        .to_owned()
}

/// The name of a parameter as a variable.
pub(super) fn variable(name: &str) -> String {
    super::unreserved(name, RESERVED)
}

/// The comment of a method; its types where they are not declared.
pub(super) fn comment(method: &Method, has_types: bool) -> String {
    let of = |of: String| match has_types {
        true => format!("{{{of}}} "),
        false => String::new(),
    };
    let mut lines = vec![
        super::comment(method.description),
        String::new(),
        format!("Needs the role `{}`.", method.role.name()),
    ];
    if has_types || !method.parameters.is_empty() {
        lines.push(String::new());
    }
    for parameter in method.parameters {
        let name = variable(parameter.name);
        let accepted = ts::accepted(parameter.of.accepted());
        let (accepted, shown) = match parameter.is_optional && has_types {
            true => (format!("{accepted} | null"), format!("[{name}]")),
            false => (accepted.to_owned(), name),
        };
        lines.push(format!(
            "@param {}{shown} {}",
            of(accepted),
            about(parameter)
        ));
    }
    if has_types {
        let result = ts::of_shape(&method.result);
        lines.push(format!("@returns {{Promise<{result}>}}"));
    }
    let lines = lines.iter().map(|line| format!("   * {line}"));
    let lines: Vec<String> = lines.map(|line| line.trim_end().to_owned()).collect();
    format!("  /**\n{}\n   */\n", lines.join("\n"))
}

fn class((name, methods): &Service) -> String {
    let methods = methods.iter().map(|method| function(name, method));
    format!(
        "/** The service `{name}`. */\nclass {}Service {{\n  #call;\n\n  constructor(call) {{\n    \
         this.#call = call;\n  }}\n\n{}}}\n\n",
        capital(name),
        methods.collect::<Vec<String>>().join("\n")
    )
}

fn function(service: &str, method: &Method) -> String {
    let name = method.name;
    let parameters = method.parameters.iter();
    let variables: Vec<String> = parameters.clone().map(|of| variable(of.name)).collect();
    let fields = parameters.zip(&variables);
    let fields = fields.map(|(parameter, variable)| match variable == parameter.name {
        true => variable.clone(),
        false => format!("{}: {variable}", parameter.name),
    });
    let fields = match variables.is_empty() {
        true => "{}".to_owned(),
        false => format!("{{ {} }}", fields.collect::<Vec<_>>().join(", ")),
    };
    format!(
        "{}  {name}({}) {{\n    return this.#call(\"{service}\", \"{name}\", {fields});\n  }}\n",
        comment(method, true),
        variables.join(", ")
    )
}

/// The definition of a service as `GET /api` has it, as a CommonJS module.
fn definition((name, methods): &Service) -> File {
    let methods = definitions::of_service(methods);
    let methods = serde_json::to_string_pretty(&methods).unwrap_or_default();
    // A part of the object.
    let methods = methods.replace('\n', "\n  ");
    let text = format!(
        "// @MARKER@\n\"use strict\";\n\n/** The service `{name}`, for `rpc/proxy/http`. */\n\
         module.exports = {{\n  \"name\": \"{name}\",\n  \"methods\": {methods}\n}};\n"
    );
    File::new(format!("service/{name}.js"), text)
}
