#include "common/completion.h"

#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"

namespace trimtab {
namespace {

// NAME is the program, FUNCTION a name for shells. `known` tells what stands behind a word of a command: a command of
// its own, or the kind of what follows; @1 is the first word that belongs to no option.
constexpr char kScript[] = R"(# Completion of NAME for bash; `NAME --completion bash` prints it.
FUNCTION_known() {  # COMMAND WORD
  case "$1 $2" in
KNOWN    *) REPLY= ;;
  esac
}

FUNCTION_offered() {  # COMMAND
  case "$1" in
OFFERED    *) REPLY= ;;
  esac
}

FUNCTION() {
  local word=${COMP_WORDS[COMP_CWORD]} command='NAME' follows= place=1 given REPLY i
  for ((i = 1; i < COMP_CWORD; ++i)); do
    given=${COMP_WORDS[i]}
    [[ $given != [=:] ]] || continue
    if [[ -n $follows ]]; then
      [[ ${COMP_WORDS[i + 1]} == [=:] ]] || follows=
      continue
    fi
    FUNCTION_known "$command" "$given"
    if [[ $REPLY == command ]]; then
      command+=" $given" place=1
    elif [[ -n $REPLY ]]; then
      follows=$REPLY
    elif [[ $given != -* ]]; then
      ((++place))
    fi
  done
  [[ $word != [=:] ]] || word=
  if [[ -z $follows && $word != -* ]]; then
    FUNCTION_known "$command" "@$place"
    follows=$REPLY
  fi
  case $follows in
    file | dir)
      local IFS=$'\n'
      compopt -o filenames 2>/dev/null
      COMPREPLY=($(compgen "-${follows:0:1}" -- "$word")) ;;
    any) COMPREPLY=() ;;
    ?*) COMPREPLY=($(compgen -W "$follows" -- "$word")) ;;
    *)
      FUNCTION_offered "$command"
      COMPREPLY=($(compgen -W "$REPLY" -- "$word")) ;;
  esac
}
complete -F FUNCTION NAME)";

std::string Quoted(absl::string_view text) {
  return absl::StrCat("'", absl::StrReplaceAll(text, {{"'", "'\\''"}}), "'");
}

// file, dir, any, or the choices with spaces between them.
std::string KindOf(const CLI::Option& option) {
  const std::string type = option.get_type_name();
  const size_t open = type.find('{'), close = type.find('}');
  if (open < close && close != std::string::npos) {
    return absl::StrReplaceAll(type.substr(open + 1, close - open - 1), {{",", " "}});
  }
  if (absl::StrContains(type, "FILE")) return "file";
  return absl::StrContains(type, "DIR") || absl::StrContains(type, "OUT") ? "dir" : "any";
}

// Lines of the two tables, for one command and those below it.
class Tables {
 public:
  void Add(const CLI::App& app, const std::string& command) {
    std::vector<std::string> words;
    int place = 0;
    for (const CLI::App* below : app.get_subcommands([](const CLI::App*) { return true; })) {
      Know(absl::StrCat(command, " ", below->get_name()), "command");
      words.push_back(below->get_name());
    }
    for (const CLI::Option* option : app.get_options()) {
      if (option->get_positional()) Know(absl::StrCat(command, " @", ++place), KindOf(*option));
      for (const std::string& name : option->get_lnames()) {
        words.push_back(absl::StrCat("--", name));
        if (option->get_items_expected_max() > 0) Know(absl::StrCat(command, " --", name), KindOf(*option));
      }
    }
    absl::StrAppend(&offered_, "    ", Quoted(command), ") REPLY=", Quoted(absl::StrJoin(words, " ")), " ;;\n");
    for (const CLI::App* below : app.get_subcommands([](const CLI::App*) { return true; })) {
      Add(*below, absl::StrCat(command, " ", below->get_name()));
    }
  }

  const std::string& known() const { return known_; }
  const std::string& offered() const { return offered_; }

 private:
  void Know(absl::string_view words, absl::string_view kind) {
    absl::StrAppend(&known_, "    ", Quoted(words), ") REPLY=", Quoted(kind), " ;;\n");
  }

  std::string known_, offered_;
};

}  // namespace

void AddCompletion(CLI::App& app) {
  app.add_option_function<std::string>(
         "--completion", [&app](const std::string&) { throw CLI::CallForVersion(BashCompletion(app), 0); },
         "Print the script that completes this program's commands and options in a shell, and exit")
      ->type_name("SHELL")
      ->check(CLI::IsMember({"bash"}))
      ->configurable(false);
}

std::string BashCompletion(const CLI::App& app) {
  Tables tables;
  tables.Add(app, app.get_name());
  const std::string function = absl::StrCat("_", absl::StrReplaceAll(app.get_name(), {{"-", "_"}}));
  return absl::StrReplaceAll(
      kScript,
      {{"KNOWN", tables.known()}, {"OFFERED", tables.offered()}, {"FUNCTION", function}, {"NAME", app.get_name()}});
}

}  // namespace trimtab
