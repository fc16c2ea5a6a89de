// The table of keys, its page for users, and chapter 11 of the protocol say the same.
#include <cctype>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <sstream>

#include "support.hpp"

namespace tensorpool::config {
namespace {

std::string read(const std::string& name) {
  std::ifstream file(std::string(TENSORPOOL_DOCS) + "/" + name);
  EXPECT_TRUE(file.good()) << name;
  return {std::istreambuf_iterator<char>(file), {}};
}

std::vector<std::string> cells(const std::string& row) {
  std::vector<std::string> all;
  std::istringstream parts(row.substr(1));
  for (std::string cell; std::getline(parts, cell, '|');) {
    const auto first = cell.find_first_not_of(' ');
    all.push_back(first == std::string::npos
                      ? ""
                      : cell.substr(first, cell.find_last_not_of(' ') + 1 - first));
  }
  return all;
}

// What stands between the first pair of backticks.
std::string code(const std::string& cell) {
  const auto first = cell.find('`');
  return first == std::string::npos ? ""
                                    : cell.substr(first + 1, cell.find('`', first + 1) - first - 1);
}

struct Row {
  std::string type, standard, variable;
};

// Sections 4 to 8 of the chapter: "driver.aeron_dir" and so on.
std::map<std::string, Row> chapter() {
  std::map<std::string, Row> rows;
  std::istringstream lines(read("protocol/11-configuration.md"));
  std::string table;
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with("## ")) {
      const bool wanted = line[3] >= '4' && line[3] <= '8' && line[4] == ' ';
      table = wanted ? line.substr(line.find('[') + 1, line.find(']') - line.find('[') - 1) : "";
    } else if (!table.empty() && line.starts_with("| `")) {
      const auto parts = cells(line);
      rows[table + "." + code(parts.at(0))] = {parts.at(1), parts.at(2), code(parts.at(4))};
    }
  }
  return rows;
}

TEST(ConfigReference, the_page_is_made_from_the_table) {
  EXPECT_EQ(read("reference/configuration.md"), reference_page())
      << "make it again: build/dev/bin/config_reference >docs/reference/configuration.md";
}

// Proves: CFG-4
TEST(ConfigReference, keys_types_defaults_and_variables_are_those_of_the_protocol) {
  std::map<std::string, Row> rows = chapter();
  EXPECT_GT(rows.size(), 40U);
  for (const TableKind& kind : table_kinds()) {
    for (const Key& key : kind.keys) {
      const std::string path = std::string(kind.path) + "." + std::string(key.name);
      const auto row = rows.find(path);
      ASSERT_NE(row, rows.end()) << path;
      EXPECT_EQ(row->second.type, type_words(key)) << path;
      if (key.fallback == Fallback::standard) {
        std::string standard = code(row->second.standard);
        if (std::isdigit(static_cast<unsigned char>(row->second.standard.at(0))) != 0)
          standard = row->second.standard;
        std::erase(standard, '"');
        EXPECT_EQ(standard, key.standard) << path;
      }
      EXPECT_EQ(row->second.standard == "required", key.fallback == Fallback::required) << path;
      std::string variable(kind.variables ? kind.path : "");
      for (char& character : variable) {
        if (character == '.') character = '_';
        character = static_cast<char>(std::toupper(static_cast<unsigned char>(character)));
      }
      if (kind.variables) variable += "_" + variable_name(key.name);
      EXPECT_EQ(row->second.variable, variable) << path;
      rows.erase(row);
    }
  }
  rows.erase("profiles.<name>.payload_pools");  // the list itself
  for (const auto& [path, row] : rows) ADD_FAILURE() << path << " is missing in the table of keys";
}

}  // namespace
}  // namespace tensorpool::config
