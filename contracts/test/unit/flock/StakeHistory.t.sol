// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {IStakeVault} from "../../../src/interfaces/IStakeVault.sol";
import {FlockTest} from "../../utils/FlockTest.sol";

/// @title Stake as it was when a day began: what emissions are split by.
contract StakeHistoryTest is FlockTest {
    address internal operator = actor("operator");
    address internal delegator = actor("delegator");

    /// @dev The day that the tests begin on.
    uint256 internal constant FIRST = uint256(1_700_000_000) / 1 days;

    function setUp() public override {
        super.setUp();
        _equip(operator);
        _equip(delegator);
        token.mint(address(this), 1e18);
        token.approve(address(emissions), type(uint256).max);
    }

    function test_stakeAt_ofSomebodyUnknownIsNothing() public view {
        assertEq(vault.stakeAt(operator, FIRST).own, 0, "no stake");
        assertEq(vault.delegationAt(delegator, operator, FIRST), 0, "no delegation");
    }

    function test_stakeAt_isThePresentOneSinceTheDayAfterTheLastChange() public {
        _stake(100);

        assertEq(vault.stakeAt(operator, FIRST + 1).own, 100, "tomorrow");
        assertEq(vault.stakeAt(operator, type(uint16).max).own, 100, "for ever");
    }

    function test_stakeAt_isNotKeptForDaysWithoutEmissions() public {
        _stake(100);
        _historyNotKept(FIRST);
        _day(3);
        _stake(10);

        _historyNotKept(FIRST + 3);
        _historyNotKept(FIRST + 2);
        _historyNotKept(FIRST);
        _historyNotKept(0);
        _delegationNotKept(0);
        assertEq(vault.stakeAt(operator, FIRST + 4).own, 110, "present");
    }

    function test_stakeAt_isThatOfTheDaysBeginningHoweverOftenItChanges() public {
        _acceptsDelegation(250_000);
        _stake(100);
        _delegate(40);
        _fund(2);
        _fund(3);
        _day(2);
        _stake(10);
        _delegate(4);
        _unstake(50);
        _undelegate(1);
        vm.prank(operator);
        vault.setSigma(900_000);

        IStakeVault.Stake memory stake = vault.stakeAt(operator, FIRST + 2);
        assertEq(stake.own, 100, "own");
        assertEq(stake.delegated, 40, "delegated");
        assertEq(stake.sigmaPpm, 250_000, "sigma");
        assertTrue(stake.acceptsDelegation, "open");
        assertEq(vault.delegationAt(delegator, operator, FIRST + 2), 40, "delegation");

        _day(3);
        vault.applySigma(operator);
        stake = vault.stakeAt(operator, FIRST + 3);
        assertEq(stake.own, 60, "own of the day after");
        assertEq(stake.delegated, 43, "delegated of the day after");
        assertEq(vault.delegationAt(delegator, operator, FIRST + 3), 43, "delegation of the day after");
    }

    function test_stakeAt_ofAFundedDayIsKeptByTheNextChangeHoweverLate() public {
        _acceptsDelegation(0);
        _stake(100);
        _delegate(40);
        _fund(2);
        _day(9);
        _stake(10);
        _delegate(4);

        assertEq(vault.stakeAt(operator, FIRST + 2).own, 100, "kept");
        assertEq(vault.delegationAt(delegator, operator, FIRST + 2), 40, "kept");
        assertEq(vault.stakeAt(operator, FIRST + 1).own, 100, "as for any day in between");
        assertEq(vault.stakeAt(operator, FIRST + 9).own, 100, "and the day of the change itself");
        assertEq(vault.delegationAt(delegator, operator, FIRST + 10), 44, "present");
    }

    function test_stakeAt_ofAFundedDayBeforeTheFirstStakeIsNothing() public {
        _fund(1);
        _day(1);
        _acceptsDelegation(0);
        _stake(100);
        _delegate(40);

        assertEq(vault.stakeAt(operator, FIRST + 1).own, 0, "came after the day began");
        assertEq(vault.stakeAt(operator, FIRST + 1).delegated, 0, "likewise");
        assertEq(vault.delegationAt(delegator, operator, FIRST + 1), 0, "likewise");
        assertEq(vault.stakeAt(operator, FIRST).own, 0, "and before");
    }

    function test_stakeAt_ofADayBeforeSigmaWasSetTakesNoDelegation() public {
        _stake(100);
        _fund(1);
        _fund(2);
        _day(1);
        _acceptsDelegation(250_000);
        _day(2);
        _stake(1);

        IStakeVault.Stake memory stake = vault.stakeAt(operator, FIRST + 1);
        assertEq(stake.own, 100, "own");
        assertTrue(!stake.acceptsDelegation, "closed");
        stake = vault.stakeAt(operator, FIRST + 2);
        assertEq(stake.sigmaPpm, 250_000, "sigma");
        assertTrue(stake.acceptsDelegation, "open");
    }

    function test_stakeAt_walksBackOverSeveralChanges() public {
        _acceptsDelegation(0);
        for (uint256 day = 1; day <= 5; ++day) {
            _fund(2 * day);
        }
        for (uint256 day = 1; day <= 5; ++day) {
            _day(2 * day);
            _stake(100);
            _delegate(7);
        }

        for (uint256 day = 1; day <= 5; ++day) {
            assertEq(vault.stakeAt(operator, FIRST + 2 * day).own, 100 * (day - 1), "day of a change");
            assertEq(vault.stakeAt(operator, FIRST + 2 * day + 1).own, 100 * day, "day after");
            assertEq(vault.stakeAt(operator, FIRST + 2 * day).delegated, 7 * (day - 1), "delegated");
            assertEq(vault.delegationAt(delegator, operator, FIRST + 2 * day), 7 * (day - 1), "delegation");
            assertEq(vault.delegationAt(delegator, operator, FIRST + 2 * day + 1), 7 * day, "delegation after");
        }
    }

    function test_delegationAt_isNotKeptForDaysWithoutEmissions() public {
        _acceptsDelegation(0);
        _delegate(40);
        _day(2);
        _delegate(2);

        vm.expectRevert(abi.encodeWithSelector(IStakeVault.HistoryNotKept.selector, FIRST + 2));
        vault.delegationAt(delegator, operator, FIRST + 2);
        vm.expectRevert(abi.encodeWithSelector(IStakeVault.HistoryNotKept.selector, FIRST));
        vault.delegationAt(delegator, operator, FIRST);
    }

    /// Changes of others must not be taken for changes of one's own.
    function test_delegationAt_isNotMovedByOtherDelegations() public {
        address other = actor("other delegator");
        _equip(other);
        _acceptsDelegation(0);
        _delegate(40);
        _fund(1);
        _fund(2);
        _day(1);
        vm.prank(other);
        vault.delegate(operator, 9);
        _day(2);
        vm.prank(other);
        vault.undelegate(operator, 3);

        assertEq(vault.delegationAt(delegator, operator, FIRST + 1), 40, "first day");
        assertEq(vault.delegationAt(delegator, operator, FIRST + 2), 40, "second day");
        assertEq(vault.delegationAt(other, operator, FIRST + 1), 0, "came later");
        assertEq(vault.delegationAt(other, operator, FIRST + 2), 9, "before it left in part");
        assertEq(vault.stakeAt(operator, FIRST + 2).delegated, 49, "all");
    }

    /// Any order of days with and without emissions and changes, against a list of what was there at each midnight.
    function testFuzz_history_agreesWithAList(uint256 funded, uint8[24] calldata actions) public {
        _acceptsDelegation(0);
        _stake(100_000);
        _delegate(100_000);
        for (uint256 day = 1; day < 24; ++day) {
            if (funded >> day & 1 == 1) _fund(day);
        }
        uint256[] memory own = new uint256[](24);
        uint256[] memory delegated = new uint256[](24);
        for (uint256 day = 1; day < 24; ++day) {
            _day(day);
            own[day] = vault.stakeOf(operator).own;
            delegated[day] = vault.delegationOf(delegator, operator);
            if (actions[day] & 1 != 0) _stake(uint256(actions[day]) + 1);
            if (actions[day] & 2 != 0) _unstake(actions[day]);
            if (actions[day] & 4 != 0) _delegate(actions[day]);
            if (actions[day] & 8 != 0) _undelegate(actions[day]);
        }

        for (uint256 day = 1; day < 24; ++day) {
            bool mustBeKept = funded >> day & 1 == 1;
            try vault.stakeAt(operator, FIRST + day) returns (IStakeVault.Stake memory stake) {
                assertEq(stake.own, own[day], "own");
                assertEq(stake.delegated, delegated[day], "delegated");
            } catch {
                assertTrue(!mustBeKept, "stake of a day with emissions is kept");
            }
            try vault.delegationAt(delegator, operator, FIRST + day) returns (uint256 delegation) {
                assertEq(delegation, delegated[day], "delegation");
            } catch {
                assertTrue(!mustBeKept, "delegation of a day with emissions is kept");
            }
        }
    }

    function _historyNotKept(uint256 epoch) private {
        vm.expectRevert(abi.encodeWithSelector(IStakeVault.HistoryNotKept.selector, epoch));
        vault.stakeAt(operator, epoch);
    }

    function _delegationNotKept(uint256 epoch) private {
        vm.expectRevert(abi.encodeWithSelector(IStakeVault.HistoryNotKept.selector, epoch));
        vault.delegationAt(delegator, operator, epoch);
    }

    function _day(uint256 day) private {
        vm.warp((FIRST + day) * 1 days + 1 hours);
    }

    function _fund(uint256 day) private {
        emissions.fund(FIRST + day, 1, 1);
    }

    function _equip(address account) private {
        stakeToken.mint(account, 1e6);
        vm.prank(account);
        stakeToken.approve(address(vault), type(uint256).max);
    }

    function _acceptsDelegation(uint256 sigmaPpm) private {
        vm.prank(operator);
        vault.setSigma(sigmaPpm);
    }

    function _stake(uint256 amount) private {
        vm.prank(operator);
        vault.deposit(amount);
    }

    function _unstake(uint256 amount) private {
        vm.prank(operator);
        vault.requestWithdrawal(amount);
    }

    function _delegate(uint256 amount) private {
        vm.prank(delegator);
        vault.delegate(operator, amount);
    }

    function _undelegate(uint256 amount) private {
        vm.prank(delegator);
        vault.undelegate(operator, amount);
    }
}
