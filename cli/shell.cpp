// SPDX-License-Identifier: Apache-2.0
// laconic completion and laconic manual: what --help says, for shells and for man. Both are made
// from the same description of the commands, so they cannot lag behind it.
#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "cli/commands.hpp"
#include "cli/output.hpp"
#include "laconic/experiment/catalog.hpp"
#include "laconic/experiment/version.hpp"

namespace laconic::cli {
namespace {

struct OptionText {
  std::string name = {};  // with its dashes; a positional's name
  bool takes_value = false;
  bool is_positional = false;
  std::string help = {};
};

struct CommandText {
  std::string path = {};  // "data fetch"; empty: the program itself
  std::string help = {};
  std::vector<OptionText> options = {};
  std::vector<std::string> commands = {};  // below it
};

void collect(const CLI::App& app, const std::string& path, std::vector<CommandText>& out) {
  CommandText text{.path = path, .help = app.get_description()};
  for (const CLI::Option* option : app.get_options()) {
    if (option->get_positional()) {
      text.options.push_back({.name = option->get_single_name(),
                              .takes_value = true,
                              .is_positional = true,
                              .help = option->get_description()});
    }
    for (const std::string& name : option->get_lnames()) {
      text.options.push_back({.name = "--" + name,
                              .takes_value = option->get_expected_max() > 0,
                              .help = option->get_description()});
    }
    for (const std::string& name : option->get_snames()) {
      text.options.push_back({.name = "-" + name,
                              .takes_value = option->get_expected_max() > 0,
                              .help = option->get_description()});
    }
  }
  const std::vector<const CLI::App*> below = app.get_subcommands({});
  for (const CLI::App* command : below) text.commands.push_back(command->get_name());
  out.push_back(std::move(text));
  for (const CLI::App* command : below) {
    collect(*command, path.empty() ? command->get_name() : path + ' ' + command->get_name(), out);
  }
}

std::vector<CommandText> commands_of(const CLI::App& app) {
  std::vector<CommandText> out;
  collect(app, "", out);
  return out;
}

// What may stand behind a command: its subcommands and options, and for describe all methods.
std::string words_of(const CommandText& command) {
  std::vector<std::string> words = command.commands;
  for (const OptionText& option : command.options) {
    if (!option.is_positional) words.push_back(option.name);
  }
  if (command.path == "describe") {
    for (const std::string_view kind : experiment::all_cards().kinds()) {
      for (const Card* card : experiment::all_cards().of_kind(kind)) {
        words.emplace_back(card->name);
      }
    }
  }
  std::sort(words.begin(), words.end());
  words.erase(std::unique(words.begin(), words.end()), words.end());
  return fmt::format("{}", fmt::join(words, " "));
}

// A function that finds the command typed so far and sets `candidates` (in zsh `words` is what was
// typed); bash and zsh both run it.
std::string finder(const std::vector<CommandText>& commands) {
  std::string known;
  std::string cases;
  for (const CommandText& command : commands) {
    if (!command.path.empty())
      known += fmt::format("{}\"{}\"", known.empty() ? "" : "|", command.path);
    cases += fmt::format("    \"{}\") candidates=\"{}\" ;;\n", command.path, words_of(command));
  }
  return fmt::format(
      "_laconic_words() {{\n"
      "  local command=\"\" word\n"
      "  for word in \"$@\"; do\n"
      "    case \"${{command:+$command }}$word\" in\n"
      "      {}) command=\"${{command:+$command }}$word\" ;;\n"
      "    esac\n"
      "  done\n"
      "  case \"$command\" in\n{}  esac\n}}\n",
      known, cases);
}

std::string bash(const std::vector<CommandText>& commands) {
  return "# Completion of laconic for bash; to be sourced.\n" + finder(commands) +
         "_laconic() {\n"
         "  local candidates=\"\"\n"
         "  _laconic_words \"${COMP_WORDS[@]:1:COMP_CWORD-1}\"\n"
         "  mapfile -t COMPREPLY < <(compgen -W \"$candidates\" -- \"${COMP_WORDS[COMP_CWORD]}\")\n"
         "}\n"
         "complete -o default -F _laconic laconic\n";
}

std::string zsh(const std::vector<CommandText>& commands) {
  return "#compdef laconic\n# Completion of laconic for zsh; as _laconic in a folder of fpath.\n" +
         finder(commands) +
         "_laconic() {\n"
         "  local typed=(\"${words[@]:1:$((CURRENT-2))}\") candidates=\"\"\n"
         "  _laconic_words \"${typed[@]}\"\n"
         "  compadd -- ${=candidates}\n"
         "  _files\n"
         "}\n"
         "_laconic \"$@\"\n";
}

std::string quoted_for_fish(std::string_view text) {
  std::string out = "'";
  for (const char c : text) {
    if (c == '\'' || c == '\\') out += '\\';
    out += c;
  }
  return out + '\'';
}

// "data fetch" is below fetch where data was typed, too; commands of one level need no more.
std::string fish(const std::vector<CommandText>& commands) {
  std::string out =
      "# Completion of laconic for fish; as laconic.fish in its folder completions.\n";
  for (const CommandText& command : commands) {
    std::string when = "__fish_use_subcommand";
    if (!command.path.empty()) {
      when.clear();
      std::string_view rest = command.path;
      while (!rest.empty()) {
        const std::size_t end = std::min(rest.find(' '), rest.size());
        when += fmt::format("{}__fish_seen_subcommand_from {}", when.empty() ? "" : "; and ",
                            rest.substr(0, end));
        rest.remove_prefix(std::min(end + 1, rest.size()));
      }
    }
    const std::string start = fmt::format("complete -c laconic -n {}", quoted_for_fish(when));
    for (const std::string& name : command.commands) {
      out += fmt::format("{} -f -a {}\n", start, name);
    }
    if (command.path == "describe") {
      out += fmt::format("{} -f -a {}\n", start, quoted_for_fish(words_of(command)));
    }
    for (const OptionText& option : command.options) {
      if (option.is_positional) continue;
      const bool is_long = option.name.starts_with("--");
      out += fmt::format("{} -{} {}{} -d {}\n", start, is_long ? 'l' : 's',
                         option.name.substr(is_long ? 2 : 1), option.takes_value ? " -r" : "",
                         quoted_for_fish(option.help));
    }
  }
  return out;
}

// roff reads backslashes, and dots and quotes at the start of a line.
std::string roff(std::string_view text) {
  std::string out;
  for (const char c : text) {
    const bool at_start = out.empty() || out.back() == '\n';
    if (at_start && (c == '.' || c == '\'')) out += "\\&";
    if (c == '\\') {
      out += "\\e";
    } else if (c == '-') {
      out += "\\-";
    } else {
      out += c;
    }
  }
  return out;
}

std::string manual_of(const CommandText& command) {
  std::string usage = command.path;
  for (const OptionText& option : command.options) {
    if (option.is_positional) usage += ' ' + option.name;
  }
  std::string out = fmt::format(".SS {}\n{}\n", roff(usage), roff(command.help));
  for (const OptionText& option : command.options) {
    out += fmt::format(".TP\n.B {}\n{}\n", roff(option.name), roff(option.help));
  }
  return out;
}

std::string manual(const std::vector<CommandText>& commands) {
  std::string out = fmt::format(
      ".TH LACONIC 1 \"\" \"laconic {}\" \"User Commands\"\n.SH NAME\nlaconic \\- {}\n"
      ".SH SYNOPSIS\n.B laconic\nCOMMAND [OPTION]... [ARGUMENT]...\n.SH COMMANDS\n",
      experiment::version(), roff(commands.front().help));
  for (const CommandText& command : commands) {
    if (!command.path.empty()) out += manual_of(command);
  }
  return out +
         ".SH EXIT STATUS\n0: done. 1: a run failed or a method diverged. 2: bad input. 130: "
         "interrupted.\n"
         ".SH ENVIRONMENT\n.TP\n.B LACONIC_DATA\nthe folder where known data sets lie\n"
         ".TP\n.B NO_COLOR\nno colours\n";
}

}  // namespace

void add_completion(CLI::App& app, Action& chosen) {
  CLI::App* command = app.add_subcommand("completion", "print what completes laconic in a shell");
  auto shell = std::make_shared<std::string>();
  command->add_option("SHELL", *shell, "bash, zsh or fish")
      ->required()
      ->check(CLI::IsMember({"bash", "zsh", "fish"}));
  command->callback([&app, &chosen, shell] {
    chosen = [&app, shell] {
      const std::vector<CommandText> commands = commands_of(app);
      print_out(*shell == "bash"  ? bash(commands)
                : *shell == "zsh" ? zsh(commands)
                                  : fish(commands));
      return static_cast<int>(kDone);
    };
  });
}

void add_manual(CLI::App& app, Action& chosen) {
  CLI::App* command = app.add_subcommand("manual", "print the manual page, for man");
  command->callback([&app, &chosen] {
    chosen = [&app] {
      print_out(manual(commands_of(app)));
      return static_cast<int>(kDone);
    };
  });
}

}  // namespace laconic::cli
