//! PHP: a class for each service, named as seed 002 names it, `NodeRPC_Auth_Service`, in the
//! file that its name says.

use super::file::File;
use super::{Service, about, capital, comment};
use crate::management::rpc::definitions::Accepted;
use crate::management::rpc::method::{Method, Parameter};
use crate::management::rpc::shape::Shape;

const AUTOLOAD: &str = include_str!("template/autoload.php");
const CLIENT: &str = include_str!("template/Client.php");
const EXCEPTION: &str = include_str!("template/Exception.php");
const SERVICE: &str = include_str!("template/Service.php");
const README: &str = include_str!("template/php.md");

pub(super) fn files(services: &[Service]) -> Vec<File> {
    let mut files = vec![
        File::new("autoload.php", AUTOLOAD),
        File::new("NodeRPC/Client.php", CLIENT),
        File::new("NodeRPC/Exception.php", EXCEPTION),
    ];
    files.extend(services.iter().map(class));
    files.push(File::new("README.md", README));
    files
}

fn class((name, methods): &Service) -> File {
    let class = capital(name);
    let methods = methods.iter().map(|method| function(name, method));
    let text = SERVICE
        .replace("@SERVICE_CLASS@", &class)
        .replace("@SERVICE_NAME@", name)
        .replace("@SERVICE_METHODS@\n", &methods.collect::<String>());
    File::new(format!("NodeRPC/{class}/Service.php"), text)
}

/// The name of a parameter as a variable, whose one reserved name is that of the object.
fn variable(name: &str) -> String {
    format!("${}", super::unreserved(name, &["this"]))
}

fn function(service: &str, method: &Method) -> String {
    let (needed, optional) = super::parted(method);
    let mut text = format!(
        "\n    /**\n     * {}\n     *\n     * Needs the role `{}`.\n     *\n",
        comment(method.description),
        method.role.name()
    );
    for parameter in method.parameters {
        let of = accepted(parameter.of.accepted());
        let of = match parameter.is_optional && of != "mixed" {
            true => format!("{of}|null"),
            false => of.to_owned(),
        };
        let (name, about) = (variable(parameter.name), about(parameter));
        text.push_str(&format!("     * @param {of} {name} {about}\n"));
    }
    let parameters = method.parameters.iter().map(|parameter| {
        let name = variable(parameter.name);
        match parameter.is_optional {
            true => format!("{name} = null"),
            false => name,
        }
    });
    let parameters: Vec<String> = parameters.collect();
    text.push_str(&format!(
        "     * @return {}\n     * @throws NodeRPC_Exception\n     */\n    public function {name}({})\n    \
         {{\n        return $this->client->call('{service}/{name}', {}, {});\n    }}\n",
        of_shape(&method.result),
        parameters.join(", "),
        array(&needed),
        array(&optional),
        name = method.name,
    ));
    text
}

/// The arguments as an array of named parameters. Arrays of PHP are lists or objects by
/// their keys, so the types say which.
fn array(parameters: &[&Parameter]) -> String {
    let fields = parameters.iter().map(|parameter| {
        let variable = variable(parameter.name);
        let value = match parameter.of.accepted() {
            Accepted::List => format!("NodeRPC_Client::items({variable})"),
            Accepted::Object => format!("NodeRPC_Client::object({variable})"),
            Accepted::TextOrNumber | Accepted::Text | Accepted::Count | Accepted::Any => variable,
        };
        format!("'{}' => {value}", parameter.name)
    });
    format!("[{}]", fields.collect::<Vec<_>>().join(", "))
}

const fn accepted(of: Accepted) -> &'static str {
    match of {
        Accepted::TextOrNumber => "string|int",
        Accepted::List => "array<string|int>",
        Accepted::Text => "string",
        Accepted::Count => "int",
        Accepted::Any => "mixed",
        Accepted::Object => "array<string, mixed>|object",
    }
}

/// The type of a result, with the shapes of arrays that PHPStan and Psalm read.
fn of_shape(shape: &Shape) -> String {
    match shape {
        Shape::Any => "mixed".to_owned(),
        Shape::Boolean => "bool".to_owned(),
        Shape::Count => "int".to_owned(),
        Shape::Number => "int|float".to_owned(),
        Shape::Text => "string".to_owned(),
        Shape::Nullable(shape) => format!("{}|null", of_shape(shape)),
        Shape::List(shape) => format!("list<{}>", of_shape(shape)),
        Shape::Map(shape) => format!("array<string, {}>", of_shape(shape)),
        Shape::Object(fields) => {
            let fields = fields.iter().map(|field| {
                let mark = if field.is_optional { "?" } else { "" };
                format!("{}{mark}: {}", field.name, of_shape(&field.shape))
            });
            format!("array{{{}}}", fields.collect::<Vec<_>>().join(", "))
        }
        Shape::Page(field, shape) => {
            let list = of_shape(shape);
            format!("{list}|array{{{field}: {list}, next?: string}}")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::management::rpc::find;

    #[test]
    fn lists_and_objects_are_sent_as_such() {
        let text = |name| {
            find("user", name)
                .ok()
                .map(|method| function("user", method))
        };
        let text = |name| text(name).unwrap_or_default();
        let attributes = text("setAttributes");
        let call = "call('user/setAttributes', ['userId' => $userId, 'attributes' => \
                    NodeRPC_Client::object($attributes)], []);";
        assert!(attributes.contains(call), "{attributes}");
        let ban = text("ban");
        for part in [
            "public function ban($userId, $seconds, $reason = null)\n",
            "['userId' => $userId, 'seconds' => $seconds], ['reason' => $reason]);",
            "     * @param string|int|null $reason a text; may be left out\n",
            "     * @return int\n",
        ] {
            assert!(ban.contains(part), "{ban}");
        }
    }
}
