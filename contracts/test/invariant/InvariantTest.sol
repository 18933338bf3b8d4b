// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {Test} from "../utils/Test.sol";

/// @title Base of suites that forge drives with random sequences of calls to the suite's own actions.
/// @dev An action must never revert: the runs have `fail_on_revert`, so an assertion inside an action counts as well.
abstract contract InvariantTest is Test {
    struct FuzzSelector {
        address addr;
        bytes4[] selectors;
    }

    bytes4[] private actions;

    /// @dev Read by forge: no other contract is called.
    function targetContracts() external view returns (address[] memory list) {
        list = new address[](1);
        list[0] = address(this);
    }

    /// @dev Read by forge: only these functions are called between two checks of an invariant.
    function targetSelectors() external view returns (FuzzSelector[] memory list) {
        list = new FuzzSelector[](1);
        list[0] = FuzzSelector(address(this), actions);
    }

    /// @dev An action that is added more than once is called that much more often.
    function addAction(bytes4 selector, uint256 weight) internal {
        for (uint256 i; i < weight; ++i) {
            actions.push(selector);
        }
    }

    function pick(address[] storage list, uint256 seed) internal view returns (address) {
        return list[seed % list.length];
    }

    /// @dev A number that depends on the seed and on what it is for.
    function mix(uint256 seed, uint256 what) internal pure returns (uint256) {
        return uint256(keccak256(abi.encode(seed, what)));
    }

    /// @dev True once in `times`.
    function rarely(uint256 seed, uint256 times) internal pure returns (bool) {
        return mix(seed, 0xabcdef) % times == 0;
    }

    /// @dev Makes a call that must be accepted when `refusal` is empty, and otherwise be refused with exactly that error.
    function call(address sender, address target, bytes memory data, bytes memory refusal)
        internal
        returns (bytes memory answer_)
    {
        bool ok;
        vm.prank(sender);
        (ok, answer_) = target.call(data);
        if (ok) {
            assertEq(refusal, "", "accepted what had to be refused");
        } else {
            assertEq(answer_, refusal, "refused, or for another reason than expected");
            assertTrue(refusal.length != 0, "refused without a reason");
        }
    }
}
