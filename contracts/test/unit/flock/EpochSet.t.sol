// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {EpochSet} from "../../../src/libraries/EpochSet.sol";
import {Test} from "../../utils/Test.sol";

/// @title The set of funded days, against a plain list.
contract EpochSetTest is Test {
    using EpochSet for EpochSet.Set;

    EpochSet.Set internal set;

    function test_latestUpTo_isZeroForAnEmptySet() public view {
        assertEq(set.latestUpTo(type(uint16).max), 0, "none");
        assertTrue(!set.contains(0), "day zero is no member either");
    }

    function test_latestUpTo_looksThroughEarlierWords() public {
        set.insert(255);
        set.insert(256);
        set.insert(1_024);
        set.insert(65_535);

        assertEq(set.latestUpTo(254), 0, "before the first");
        assertEq(set.latestUpTo(255), 255, "last bit of the first word");
        assertEq(set.latestUpTo(256), 256, "first bit of the second");
        assertEq(set.latestUpTo(1_023), 256, "over two empty words");
        assertEq(set.latestUpTo(1_024), 1_024, "the day itself");
        assertEq(set.latestUpTo(65_534), 1_024, "the word of the day holds later days alone");
        assertEq(set.latestUpTo(65_535), 65_535, "the last day there is");
    }

    function test_latestUpTo_knowsTheFirstAndTheLastBitOfAWord() public {
        set.insert(0);
        assertEq(set.latestUpTo(65_535), 0, "day zero, asked in another word");
        set.insert(255);
        assertEq(set.latestUpTo(300), 255, "when no other word has any");
        set.insert(512);

        assertEq(set.latestUpTo(767), 512, "from the other end of the word");
        assertEq(set.latestUpTo(768), 512, "from the word behind");
    }

    function test_insert_changesNothingTheSecondTime() public {
        set.insert(700);
        set.insert(700);

        assertTrue(set.contains(700), "member");
        assertEq(set.latestUpTo(700), 700, "latest");
    }

    function testFuzz_latestUpTo_agreesWithAList(uint16[] calldata days_, uint16 asked) public {
        _insert(days_);

        assertEq(set.latestUpTo(asked), _latestUpTo(days_, asked), "latest");
        assertEq(set.contains(asked), _contains(days_, asked), "member");
    }

    /// Days close to each other share words, which days at random hardly do.
    function testFuzz_latestUpTo_agreesWithAListOfCloseDays(uint16 first, uint8[] calldata gaps, uint16 asked) public {
        uint256 count = gaps.length < 40 ? gaps.length : 40;
        first = uint16(bound(first, 0, 50_000));
        uint16[] memory days_ = new uint16[](count);
        uint256 day = first;
        for (uint256 i; i < count; ++i) {
            day += gaps[i];
            days_[i] = uint16(day);
        }
        asked = uint16(bound(asked, first < 300 ? 0 : first - 300, day + 300));

        _insert(days_);

        assertEq(set.latestUpTo(asked), _latestUpTo(days_, asked), "latest");
        assertEq(set.contains(asked), _contains(days_, asked), "member");
        for (uint256 i; i < count; ++i) {
            assertEq(set.latestUpTo(days_[i]), days_[i], "a member is its own latest");
        }
    }

    function _insert(uint16[] memory days_) private {
        for (uint256 i; i < days_.length; ++i) {
            set.insert(days_[i]);
        }
    }

    function _latestUpTo(uint16[] memory days_, uint256 asked) private pure returns (uint256 latest) {
        for (uint256 i; i < days_.length; ++i) {
            if (days_[i] <= asked && days_[i] > latest) latest = days_[i];
        }
    }

    function _contains(uint16[] memory days_, uint256 asked) private pure returns (bool) {
        for (uint256 i; i < days_.length; ++i) {
            if (days_[i] == asked) return true;
        }
        return false;
    }
}
