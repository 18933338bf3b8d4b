// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {IRewardDistributor} from "../../../src/interfaces/IRewardDistributor.sol";
import {EmissionLib} from "../../../src/libraries/EmissionLib.sol";
import {RewardLib} from "../../../src/libraries/RewardLib.sol";
import {Test} from "../../utils/Test.sol";

/// @title The arithmetic of emissions: the vectors that the TypeScript side is tested with, and what holds for any input.
contract EmissionLibTest is Test {
    string internal json = vm.readFile("test/fixtures/emissions.json");

    function test_shareDown_followsTheVectors() public view {
        uint256 count;
        for (; vm.keyExistsJson(json, _key("shares", count, "")); ++count) {
            _sharesFollow(
                _uint("shares", count, ".pool"), _uints("shares", count, ".units"), _uints("shares", count, ".parts")
            );
        }
        assertTrue(count >= 8, "there are vectors");
    }

    /// Delegators of an operator share its part as tables share a pool.
    function test_shareDown_followsTheVectorsOfDelegations() public view {
        uint256 count;
        for (; vm.keyExistsJson(json, _key("delegations", count, "")); ++count) {
            _sharesFollow(
                _uint("delegations", count, ".part"),
                _uints("delegations", count, ".delegated"),
                _uints("delegations", count, ".parts")
            );
        }
        assertTrue(count >= 3, "there are vectors");
    }

    function test_cap_followsTheVectors() public view {
        uint256 count;
        for (; vm.keyExistsJson(json, _key("caps", count, "")); ++count) {
            uint256 operatorPpm = _uint("caps", count, ".operatorPpm");
            uint256 delegatorPpm = _uint("caps", count, ".delegatorPpm");
            uint256 cap = RewardLib.ppmDown(
                _uint("caps", count, ".units"), operatorPpm < delegatorPpm ? operatorPpm : delegatorPpm
            );
            uint256 emission = _uint("caps", count, ".emission");
            uint256 capped = emission > cap ? cap : emission;
            assertEq(capped, _uint("caps", count, ".capped"), "capped");
            assertEq(emission - capped, _uint("caps", count, ".leftOver"), "left over");
        }
        assertTrue(count >= 8, "there are vectors");
    }

    function test_trainingPartDown_followsTheVectors() public view {
        uint256 count;
        for (; vm.keyExistsJson(json, _key("roles", count, "")); ++count) {
            uint256 emission = _uint("roles", count, ".emission");
            uint256 training = EmissionLib.trainingPartDown(
                emission,
                _uint("roles", count, ".gammaPpm"),
                _uint("roles", count, ".trainingStake"),
                _uint("roles", count, ".validatorStake")
            );
            assertEq(training, _uint("roles", count, ".training"), "training nodes");
            assertEq(emission - training, _uint("roles", count, ".validators"), "validators");
        }
        assertTrue(count >= 8, "there are vectors");
    }

    function test_memberPart_followsTheVectors() public view {
        uint256 count;
        for (; vm.keyExistsJson(json, _key("members", count, "")); ++count) {
            uint256[] memory weights = _uints("members", count, ".weights");
            uint256[] memory parts = _uints("members", count, ".parts");
            IRewardDistributor.Contributor[] memory members = new IRewardDistributor.Contributor[](weights.length);
            for (uint256 i; i < weights.length; ++i) {
                members[i] = IRewardDistributor.Contributor(_account(i), uint32(weights[i]));
            }
            uint256 emission = _uint("members", count, ".emission");
            for (uint256 i; i < weights.length; ++i) {
                assertEq(EmissionLib.memberPart(emission, members, _account(i)), parts[i], "part");
            }
            assertEq(EmissionLib.memberPart(emission, members, _account(weights.length)), 0, "no member");
        }
        assertTrue(count >= 8, "there are vectors");
    }

    function test_memberPart_isNothingWithoutMembers() public pure {
        assertEq(
            EmissionLib.memberPart(1e18, new IRewardDistributor.Contributor[](0), _account(0)),
            0,
            "nobody is in the role"
        );
    }

    function testFuzz_shareDown_sumsUpToThePool(uint104 pool, uint104[6] memory units) public pure {
        uint256 total;
        for (uint256 i; i < units.length; ++i) {
            units[i] = uint104(bound(units[i], 1, type(uint104).max / units.length));
            total += units[i];
        }
        uint256 before;
        uint256 sum;
        for (uint256 i; i < units.length; ++i) {
            uint256 part = EmissionLib.shareDown(pool, before, units[i], total);
            uint256 exact = uint256(pool) * units[i];
            assertTrue(part * total < exact + total && exact < (part + 1) * total, "less than a unit off");
            before += units[i];
            sum += part;
        }
        assertEq(sum, pool, "all of it and no more");
    }

    function testFuzz_trainingPartDown_leavesEachRoleItsLeast(
        uint104 emission,
        uint256 gammaPpm,
        uint96 trainingStake,
        uint96 validatorStake
    ) public pure {
        gammaPpm = bound(gammaPpm, 0, 500_000);

        uint256 training = EmissionLib.trainingPartDown(emission, gammaPpm, trainingStake, validatorStake);

        uint256 least = uint256(emission) * gammaPpm;
        assertTrue((training + 1) * 1e6 > least, "training nodes");
        assertTrue((emission - training) * 1e6 >= least, "validators");
    }

    function testFuzz_trainingPartDown_isTheSameForBothRolesButForTheRemainder(
        uint104 emission,
        uint256 gammaPpm,
        uint96 stake,
        uint96 otherStake
    ) public pure {
        gammaPpm = bound(gammaPpm, 0, 500_000);

        uint256 both = EmissionLib.trainingPartDown(emission, gammaPpm, stake, otherStake)
            + EmissionLib.trainingPartDown(emission, gammaPpm, otherStake, stake);

        assertTrue(both == emission || both + 1 == emission, "one unit at most");
    }

    function testFuzz_trainingPartDown_growsWithStake(
        uint104 emission,
        uint256 gammaPpm,
        uint96 trainingStake,
        uint96 validatorStake,
        uint96 more
    ) public pure {
        gammaPpm = bound(gammaPpm, 0, 500_000);
        trainingStake = uint96(bound(trainingStake, 1, type(uint96).max));

        uint256 before = EmissionLib.trainingPartDown(emission, gammaPpm, trainingStake, validatorStake);
        uint256 then = EmissionLib.trainingPartDown(emission, gammaPpm, uint256(trainingStake) + more, validatorStake);

        assertGe(then, before, "more stake, no less of it");
    }

    function testFuzz_memberPart_sumsUpToTheEmission(uint104 emission, uint24[7] memory weights) public pure {
        IRewardDistributor.Contributor[] memory members = new IRewardDistributor.Contributor[](weights.length);
        uint256 total;
        uint256 top;
        for (uint256 i; i < weights.length; ++i) {
            uint32 weight = uint32(bound(weights[i], 1, type(uint24).max / weights.length));
            members[i] = IRewardDistributor.Contributor(_account(i), weight);
            total += weight;
            if (weight > members[top].weight) top = i;
        }

        uint256 sum;
        for (uint256 i; i < members.length; ++i) {
            uint256 part = EmissionLib.memberPart(emission, members, _account(i));
            uint256 floor = uint256(emission) * members[i].weight / total;
            if (i == top) assertTrue(part >= floor && part - floor < members.length, "the first has the remainder");
            else assertEq(part, floor, "by weight");
            sum += part;
        }
        assertEq(sum, emission, "all of it and no more");
    }

    function _sharesFollow(uint256 pool, uint256[] memory units, uint256[] memory parts) private pure {
        uint256 total;
        for (uint256 i; i < units.length; ++i) {
            total += units[i];
        }
        uint256 before;
        for (uint256 i; i < units.length; ++i) {
            assertEq(EmissionLib.shareDown(pool, before, units[i], total), parts[i], "part");
            before += units[i];
        }
    }

    function _account(uint256 index) private pure returns (address) {
        return address(uint160(index + 1));
    }

    function _uint(string memory list, uint256 index, string memory rest) private view returns (uint256) {
        return vm.parseJsonUint(json, _key(list, index, rest));
    }

    function _uints(string memory list, uint256 index, string memory rest)
        private
        view
        returns (uint256[] memory values)
    {
        uint256 count;
        while (vm.keyExistsJson(json, _item(list, index, rest, count))) ++count;
        values = new uint256[](count);
        for (uint256 i; i < count; ++i) {
            values[i] = vm.parseJsonUint(json, _item(list, index, rest, i));
        }
    }

    function _item(string memory list, uint256 index, string memory rest, uint256 item)
        private
        pure
        returns (string memory)
    {
        return string.concat(_key(list, index, rest), "[", vm.toString(item), "]");
    }

    function _key(string memory list, uint256 index, string memory rest) private pure returns (string memory) {
        return string.concat("$.", list, "[", vm.toString(index), "]", rest);
    }
}
