#!/usr/bin/env python3
"""The checkout keeps the house rules, and every check fails on a sample that breaks its rule."""
import re
import unittest

from support import ROOT, CheckoutTest
from house import layers, links, sources, tidy


def code(name):
    """The text of a file of ours without comments."""
    return layers.COMMENT.sub("", sources.read(ROOT, name))


def files_below(*folders):
    return [name for name in sources.own_files(ROOT, ".hpp", ".cpp") if name.startswith(folders)]


class ThisCheckout(unittest.TestCase):
    def test_includes_and_links_follow_the_table_of_layers(self):
        self.assertEqual([], list(layers.check(ROOT)))

    def test_house_rules(self):
        self.assertEqual([], list(tidy.check(ROOT)))

    def test_links_of_the_documents_lead_somewhere(self):
        self.assertEqual([], list(links.check(ROOT)))

    def test_every_layer_of_the_table_that_is_built_is_known_to_cmake(self):
        text = (ROOT / "CMakeLists.txt").read_text(encoding="utf-8")
        for layer in layers.MAY_USE:
            self.assertRegex(text, rf"\b{layer}\b")

    def test_the_layers_have_no_cycle(self):
        def below(layer, seen):
            self.assertNotIn(layer, seen)
            for lower in layers.MAY_USE[layer]:
                below(lower, seen | {layer})

        for layer in layers.MAY_USE:
            below(layer, frozenset())


class RulesThatTheTextItselfProves(unittest.TestCase):
    # Proves: CON-3
    def test_applications_need_no_type_or_call_of_aeron(self):
        public = files_below("include/")
        self.assertTrue(public)
        for name in public:
            self.assertIsNone(layers.FOREIGN_IN_PUBLIC.search(code(name)), name)
            for header in layers.INCLUDE.findall(code(name)):
                self.assertIsNone(layers.AERON.match(header[1]), name)

    # Proves: SHM-112, STR-47
    def test_only_creating_and_clean_up_list_folders(self):
        may_list = {"src/shm/collect.cpp", "src/shm/driver_place.cpp", "src/transport/aeron/media_driver.cpp"}
        listing = re.compile(r"\.list\(|->list\(|readdir|directory_iterator|\bglob\(")
        found = {name for name in files_below("src/shm/", "src/protocol/", "src/agents/", "src/client/",
                                              "src/transport/") if listing.search(code(name))}
        self.assertLessEqual(found, may_list)
        self.assertTrue(listing.search(code("src/shm/collect.cpp")))  # what is looked for can be found

    # Proves: STR-237
    def test_messages_hold_no_pointers(self):
        # What lies in regions is proved by the compiler, beside the layout (SHM-3).
        pointers = [line for line in code("src/wire/messages.hpp").splitlines() if re.search(r"\w[*]", line)]
        members = [line for line in pointers if "static constexpr" not in line]
        self.assertEqual([], members)

    # Proves: STR-238
    def test_consumers_neither_create_nor_collect_files(self):
        for name in ("src/protocol/consumer_core.hpp", "src/protocol/consumer_core.cpp",
                     "src/agents/consumer_agent.hpp", "src/agents/consumer_agent.cpp",
                     "src/agents/consumer_port.hpp"):
            self.assertNotRegex(code(name), r"create\.hpp|collect\.hpp|create_stream|set_length|unlink\(|Access::read_write")

    # Proves: SHM-239
    def test_headers_that_expose_payload_memory_state_its_contract(self):
        exposes = re.compile(r"std::span<const std::byte>\s+bytes\(\)|\bview\(\)")
        found = [name for name in files_below("include/") if exposes.search(code(name))]
        self.assertIn("include/tensorpool/frame.hpp", found)
        for name in found:
            self.assertIn("payload contract", sources.read(ROOT, name), name)
        contract = sources.read(ROOT, "include/tensorpool/frame.hpp")
        for word in ("may overwrite at any time", "size,", "index, pointer, loop bound", "irreversible", "may differ"):
            self.assertIn(word, contract)


class Layers(CheckoutTest):
    def findings(self, name, include):
        self.write(name, f"#pragma once\n#include {include}\n")
        return list(layers.check(self.root))

    def assert_refused(self, name, include):
        findings = self.findings(name, include)
        self.assertEqual(1, len(findings), findings)
        self.assertIn(f"{name}:2:", findings[0])

    def test_a_lower_layer_never_sees_an_upper_one(self):
        self.assert_refused("src/base/clock.hpp", '"shm/layout.hpp"')

    def test_neighbours_do_not_see_each_other(self):
        self.assert_refused("src/shm/map.cpp", '"wire/messages.hpp"')

    def test_protocol_takes_only_headers_without_code_from_shm(self):
        self.assertEqual([], self.findings("src/protocol/a.hpp", '"shm/layout.hpp"'))
        self.assert_refused("src/protocol/b.hpp", '"shm/map.hpp"')

    def test_protocol_takes_only_plain_structs_from_wire(self):
        self.assertEqual([], self.findings("src/protocol/a.hpp", '"wire/messages.hpp"'))
        self.assert_refused("src/protocol/b.hpp", '"wire/codec.hpp"')

    def test_protocol_has_no_clock(self):
        self.assert_refused("src/protocol/a.cpp", "<chrono>")

    def test_protocol_has_no_thread(self):
        self.assert_refused("src/protocol/a.cpp", "<mutex>")

    def test_protocol_has_no_system(self):
        self.assert_refused("src/protocol/a.cpp", "<sys/mman.h>")

    def test_protocol_has_no_transport(self):
        self.assert_refused("src/protocol/a.cpp", '"transport/transport.hpp"')

    def test_aeron_stays_in_its_folder(self):
        self.assertEqual([], self.findings("src/transport/aeron/a.cpp", "<aeronc.h>"))
        self.assert_refused("src/transport/a.cpp", "<aeronc.h>")

    def test_aeron_stays_out_of_agents(self):
        self.assert_refused("src/agents/a.cpp", '"aeron/aeronmd.h"')

    def test_generated_codecs_stay_in_wire(self):
        self.write("src/wire/generated/control/FrameDescriptor.h", "")
        self.assertEqual([], self.findings("src/wire/a.cpp", '"control/FrameDescriptor.h"'))
        self.assert_refused("src/agents/a.cpp", '"control/FrameDescriptor.h"')

    def test_public_headers_do_not_use_internal_ones(self):
        self.assert_refused("include/tensorpool/a.hpp", '"base/clock.hpp"')

    def test_public_headers_name_no_type_of_aeron(self):
        self.write("include/tensorpool/a.hpp", "// aeron_publication_t is fine here\naeron_publication_t* p;\n")
        findings = list(layers.check(self.root))
        self.assertEqual(1, len(findings), findings)
        self.assertIn("a.hpp:2:", findings[0])

    def test_an_unknown_layer_is_found(self):
        self.write("src/misc/a.cpp", "")
        self.assertIn("not in the table", "".join(layers.check(self.root)))

    def test_cmake_may_link_only_what_the_table_allows(self):
        self.write("src/shm/CMakeLists.txt", "tp_layer(shm SOURCES a.cpp LINKS tensorpool_base tensorpool_wire)\n")
        findings = list(layers.check(self.root))
        self.assertEqual(["src/shm/CMakeLists.txt: shm may not link tensorpool_wire"], findings)


class Tidy(CheckoutTest):
    def findings(self, name, text):
        self.write(name, text)
        return list(tidy.check(self.root))

    def test_long_files(self):
        self.assertEqual([], self.findings("src/base/a.cpp", "int x;\n" * tidy.MAX_LINES))
        self.assertEqual(1, len(self.findings("src/base/a.cpp", "int x;\n" * (tidy.MAX_LINES + 1))))

    def test_long_lines(self):
        self.assertEqual(1, len(self.findings("src/base/a.cpp", "/" * (tidy.MAX_COLUMNS + 1) + "\n")))

    def test_left_over_markers(self):
        self.assertEqual(1, len(self.findings("src/base/a.cpp", "// TO" "DO later\n")))

    def test_sleeps_in_tests(self):
        text = "std::this_thread::sleep" "_for(1ms);\n"
        self.assertEqual(1, len(self.findings("tests/unit/a.cpp", text)))

    def test_sleeping_is_not_forbidden_elsewhere(self):
        text = "std::this_thread::sleep" "_for(1ms);\n"
        self.assertEqual([], self.findings("src/base/a.cpp", text))

    def test_machine_paths(self):
        self.assertEqual(1, len(self.findings("docs/a.md", "see /wo" "rk/main/a\n")))

    def test_ignored_and_generated_files_are_not_ours(self):
        self.write(".gitignore", "/build/\n")
        self.write("build/a.cpp", "// TO" "DO\n")
        self.assertEqual([], self.findings("src/wire/generated/a.h", "// TO" "DO\n"))


class Links(CheckoutTest):
    def findings(self, text):
        self.write("docs/a.md", text)
        return list(links.check(self.root))

    def test_a_link_that_leads_nowhere(self):
        self.assertEqual(["docs/a.md:2: gone.md leads nowhere"], self.findings("\n[x](gone.md)\n"))

    def test_links_that_lead_somewhere(self):
        self.write("b.md", "# A heading, here\n")
        self.assertEqual([], self.findings("[x](../b.md#a-heading-here) [y](https://example.org/gone) `[z](gone)`\n"))

    def test_a_heading_that_is_not_there(self):
        self.write("b.md", "# A heading\n")
        self.assertEqual(1, len(self.findings("[x](../b.md#other)\n")))

    def test_pictures(self):
        self.assertEqual(1, len(self.findings('<img src="gone.svg">\n')))


if __name__ == "__main__":
    unittest.main()
