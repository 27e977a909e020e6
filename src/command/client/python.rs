//! Python: one module of the standard library alone, with a class for each service.

use super::file::File;
use super::{Service, about, capital};
use crate::management::rpc::definitions::Accepted;
use crate::management::rpc::method::{Method, Parameter};
use crate::management::rpc::shape::{Field, Shape};

const MODULE: &str = include_str!("template/management.py");
const README: &str = include_str!("template/python.md");

/// Words that are no names of parameters or methods.
const RESERVED: &[&str] = &[
    "False", "None", "True", "and", "as", "assert", "async", "await", "break", "class", "continue",
    "def", "del", "elif", "else", "except", "finally", "for", "from", "global", "if", "import",
    "in", "is", "lambda", "nonlocal", "not", "or", "pass", "raise", "return", "self", "try",
    "while", "with", "yield",
];

/// The types of objects in results: the name of each, and its fields.
type Objects = Vec<(String, Vec<(String, String, bool)>)>;

pub(super) fn files(services: &[Service]) -> Vec<File> {
    let mut objects = Objects::new();
    let classes: Vec<String> = services
        .iter()
        .map(|service| class(service, &mut objects))
        .collect();
    let types: String = objects.iter().map(typed_dict).collect();
    let fields = services.iter().map(|(name, _)| {
        let class = capital(name);
        format!("        self.{} = {class}Service(caller)\n", variable(name))
    });
    let text = MODULE
        .replace("@SERVICES@\n", &(types + &classes.concat()))
        .replace("@SERVICE_FIELDS@\n", &fields.collect::<String>());
    vec![
        File::new("turntable_management.py", text),
        File::new("README.md", README),
    ]
}

fn variable(name: &str) -> String {
    super::unreserved(name, RESERVED)
}

fn class((name, methods): &Service, objects: &mut Objects) -> String {
    let methods = methods.iter();
    let methods: String = methods
        .map(|method| function(name, method, objects))
        .collect();
    format!(
        "class {}Service:\n    \"\"\"The service ``{name}``.\"\"\"\n\n    \
         def __init__(self, caller: _Caller) -> None:\n        self._caller = caller\n{methods}\n\n",
        capital(name)
    )
}

fn function(service: &str, method: &Method, objects: &mut Objects) -> String {
    let name = variable(method.name);
    let owner = format!("{}{}", capital(service), capital(method.name));
    let result = of_shape(&method.result, &owner, objects);
    let (needed, optional) = super::parted(method);
    let mut text = String::new();
    if let Shape::Page(field, shape) = method.result {
        let (all, page) = (
            of_shape(shape, &owner, objects),
            page(field, shape, &owner, objects),
        );
        for (parameters, result) in [(needed.clone(), all), (parameters(method), page)] {
            let signature = signature(&parameters);
            text.push_str(&format!(
                "\n    @overload\n    def {name}(self{signature}) -> {result}: ...\n"
            ));
        }
    }
    let signature = signature(&parameters(method));
    let role = method.role.name();
    text.push_str(&format!(
        "\n    def {name}(self{signature}) -> {result}:\n        \"\"\"{}\n\n        Needs the role ``{role}``.\n",
        method.description.replace('\\', "\\\\").replace("\"\"\"", "'''")
    ));
    if !method.parameters.is_empty() {
        text.push('\n');
    }
    for parameter in method.parameters {
        let (name, about) = (variable(parameter.name), about(parameter));
        text.push_str(&format!("        :param {name}: {about}\n"));
    }
    text.push_str(&format!(
        "        \"\"\"\n        return self._caller.call(\"{service}/{}\", {}, {})\n",
        method.name,
        object(&needed),
        object(&optional)
    ));
    text
}

/// All parameters of a method; those that a call needs come first in each table.
fn parameters(method: &Method) -> Vec<&Parameter> {
    method.parameters.iter().collect()
}

fn signature(parameters: &[&Parameter]) -> String {
    let parameters = parameters.iter().map(|parameter| {
        let name = variable(parameter.name);
        let of = accepted(parameter.of.accepted());
        match parameter.is_optional {
            true => format!(", {name}: Optional[{of}] = None"),
            false => format!(", {name}: {of}"),
        }
    });
    parameters.collect()
}

/// The arguments as a dictionary of named parameters.
fn object(parameters: &[&Parameter]) -> String {
    let fields = parameters.iter();
    let fields = fields.map(|of| format!("\"{}\": {}", of.name, variable(of.name)));
    format!("{{{}}}", fields.collect::<Vec<_>>().join(", "))
}

const fn accepted(of: Accepted) -> &'static str {
    match of {
        Accepted::TextOrNumber => "Union[str, int]",
        Accepted::List => "Sequence[Union[str, int]]",
        Accepted::Text => "str",
        Accepted::Count => "int",
        Accepted::Any => "Any",
        Accepted::Object => "Mapping[str, Any]",
    }
}

/// The type of a result. Objects in it have types of their own, named after the method.
fn of_shape(shape: &Shape, owner: &str, objects: &mut Objects) -> String {
    match shape {
        Shape::Any => "Any".to_owned(),
        Shape::Boolean => "bool".to_owned(),
        Shape::Count => "int".to_owned(),
        Shape::Number => "float".to_owned(),
        Shape::Text => "str".to_owned(),
        Shape::Nullable(shape) => format!("Optional[{}]", of_shape(shape, owner, objects)),
        Shape::List(shape) => format!("List[{}]", of_shape(shape, owner, objects)),
        Shape::Map(shape) => format!("Dict[str, {}]", of_shape(shape, owner, objects)),
        Shape::Object(fields) => {
            let fields = fields.iter().map(
                |Field {
                     name,
                     shape,
                     is_optional,
                 }| {
                    let owner = format!("{owner}{}", capital(name));
                    (
                        (*name).to_owned(),
                        of_shape(shape, &owner, objects),
                        *is_optional,
                    )
                },
            );
            let fields = fields.collect();
            named(format!("{owner}Result"), fields, objects)
        }
        Shape::Page(field, shape) => {
            let all = of_shape(shape, owner, objects);
            format!("Union[{all}, {}]", page(field, shape, owner, objects))
        }
    }
}

fn page(field: &str, shape: &Shape, owner: &str, objects: &mut Objects) -> String {
    let list = of_shape(shape, owner, objects);
    let fields = vec![
        (field.to_owned(), list, false),
        ("next".to_owned(), "str".to_owned(), true),
    ];
    named(format!("{owner}Page"), fields, objects)
}

/// The name of an object with these fields: the first one that has them, if there is one.
fn named(name: String, fields: Vec<(String, String, bool)>, objects: &mut Objects) -> String {
    if let Some((known, _)) = objects.iter().find(|(_, known)| *known == fields) {
        return known.clone();
    }
    objects.push((name.clone(), fields));
    name
}

/// A class with the fields of an object. Before Python 3.11 only a whole class may leave
/// fields out; and words of Python are no fields of a class that is written as one.
fn typed_dict((name, fields): &(String, Vec<(String, String, bool)>)) -> String {
    if fields
        .iter()
        .any(|(field, ..)| RESERVED.contains(&field.as_str()))
    {
        let part = |part: &str, total: &str, wanted: bool| {
            let fields = fields
                .iter()
                .filter(|(_, _, is_optional)| *is_optional == wanted);
            let fields = fields.map(|(field, of, _)| format!("\"{field}\": {of}"));
            let fields = fields.collect::<Vec<_>>().join(", ");
            format!("_{name}{part} = TypedDict(\"_{name}{part}\", {{{fields}}}{total})\n")
        };
        let parts = part("Required", "", false) + &part("Optional", ", total=False", true);
        return format!(
            "{parts}\n\nclass {name}(_{name}Required, _{name}Optional):\n    pass\n\n\n"
        );
    }
    let line = |(field, of, _): &(String, String, bool)| format!("    {field}: {of}\n");
    let (optional, required): (Vec<_>, Vec<_>) =
        fields.iter().partition(|(_, _, is_optional)| *is_optional);
    let class = |name: &str, base: &str, fields: &[&(String, String, bool)]| {
        let fields: String = fields.iter().map(|field| line(field)).collect();
        let fields = if fields.is_empty() {
            "    pass\n".to_owned()
        } else {
            fields
        };
        format!("class {name}({base}):\n{fields}\n\n")
    };
    if optional.is_empty() {
        return class(name, "TypedDict", &required);
    }
    let base = format!("_{name}Required");
    class(&base, "TypedDict", &required) + &class(name, &format!("{base}, total=False"), &optional)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn objects_of_results_are_classes_and_equal_ones_are_one() {
        const SHAPE: Shape = Shape::List(&Shape::Object(&[
            Field::new("id", Shape::Text),
            Field::optional("until", Shape::Count),
        ]));
        let mut objects = Objects::new();
        assert_eq!(
            of_shape(&SHAPE, "UserGet", &mut objects),
            "List[UserGetResult]"
        );
        assert_eq!(
            of_shape(&SHAPE, "UserSet", &mut objects),
            "List[UserGetResult]"
        );
        let text: String = objects.iter().map(typed_dict).collect();
        let expected = "class _UserGetResultRequired(TypedDict):\n    id: str\n\n\n\
                        class UserGetResult(_UserGetResultRequired, total=False):\n    until: int\n\n\n";
        assert_eq!(text, expected);
    }

    #[test]
    fn word_of_the_language_is_a_field() {
        const SHAPE: Shape = Shape::Object(&[Field::new("from", Shape::Text)]);
        let mut objects = Objects::new();
        of_shape(&SHAPE, "A", &mut objects);
        let text: String = objects.iter().map(typed_dict).collect();
        let expected = "_AResultRequired = TypedDict(\"_AResultRequired\", {\"from\": str})\n\
                        _AResultOptional = TypedDict(\"_AResultOptional\", {}, total=False)\n\n\n\
                        class AResult(_AResultRequired, _AResultOptional):\n    pass\n\n\n";
        assert_eq!(text, expected);
    }
}
