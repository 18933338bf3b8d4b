// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {IEmissionProgram} from "../../../src/interfaces/IEmissionProgram.sol";
import {IRewardDistributor} from "../../../src/interfaces/IRewardDistributor.sol";
import {ModelId} from "../../../src/types/ModelId.sol";
import {Vm} from "../../utils/Vm.sol";
import {EmissionSetup} from "./EmissionSetup.t.sol";

/// @title How emissions are paid out.
contract EmissionClaimsTest is EmissionSetup {
    uint96 internal constant PRICE = 40_000e18;
    uint256 internal constant POOL = 1_000e18 + 7;

    ModelId internal firstModel;
    ModelId internal secondModel;
    uint256 internal firstTable;
    uint256 internal secondTable;

    /// @dev Two funded days and two models. A is in both tables; its delegators hold 250 and 50 beside its own 100.
    ///      Which table is settled first decides where the last unit of a pool goes.
    function setUp() public override {
        super.setUp();
        firstModel = _model("first", PRICE);
        secondModel = _model("second", 2 * PRICE);
        firstTable = _setTable(
            firstModel, contributors(two(trainerA, trainerB), two(uint32(5), uint32(2))), _sole(validatorA)
        );
        secondTable = _setTable(secondModel, trainerA, validatorB);
        _stake(trainerA, 100e18, 300_000);
        _stake(validatorA, 70e18, 0);
        _delegate(delegatorA, trainerA, 250e18);
        _delegate(delegatorB, trainerA, 50e18);
        vm.prank(funder);
        emissions.fund(EPOCH, 2, POOL);
        for (uint256 i; i < 2; ++i) {
            _beginDay(EPOCH + i);
            _use(firstModel, 1 + i);
            _use(secondModel, 1);
        }
        _beginDay(EPOCH + 2);
    }

    function test_claimOperator_paysABatchOfSharesWithOneClaimFee() public {
        IEmissionProgram.Share[] memory shares = _allShares();
        uint256 gross;
        for (uint256 i; i < shares.length; ++i) {
            emissions.settle(shares[i]);
            uint256 due = emissions.claimableOperator(trainerA, shares[i]);
            assertTrue(due != 0, "a part of each");
            gross += due;
        }
        uint256 claimFee = gross * 80_000 / 1e6;

        vm.expectEmit(address(emissions));
        emit IEmissionProgram.OperatorClaimed(trainerA, trainerA, gross - claimFee, claimFee);
        uint256 paid = emissions.claimOperator(trainerA, shares, address(0));

        assertEq(paid, gross - claimFee, "answer");
        assertEq(token.balanceOf(trainerA), paid, "paid");
        assertEq(emissions.treasuryOwed(), claimFee, "claim fee");
        assertEq(emissions.reserves(), 2 * POOL - paid, "reserves");
    }

    function test_claimDelegator_paysABatchOfSharesWithOneClaimFee() public {
        IEmissionProgram.Share[] memory shares = _allShares();
        uint256 gross;
        for (uint256 i; i < shares.length; ++i) {
            emissions.settle(shares[i]);
            uint256 due = emissions.claimableDelegator(delegatorA, trainerA, shares[i]);
            assertTrue(due != 0, "a part of each");
            gross += due;
        }
        uint256 claimFee = gross * 145_000 / 1e6;

        vm.expectEmit(address(emissions));
        emit IEmissionProgram.DelegatorClaimed(delegatorA, trainerA, delegatorA, gross - claimFee, claimFee);
        uint256 paid = emissions.claimDelegator(delegatorA, trainerA, shares, address(0));

        assertEq(paid, gross - claimFee, "answer");
        assertEq(token.balanceOf(delegatorA), paid, "paid");
        assertEq(emissions.treasuryOwed(), claimFee, "claim fee");
        assertEq(emissions.reserves(), 2 * POOL - paid, "reserves");
    }

    function test_claim_settlesTheShareFirst() public {
        // Two thirds of the pool, 0.9 of it for the role that has all the stake.
        vm.expectEmit(address(emissions));
        emit IEmissionProgram.ShareSettled(
            secondTable, EPOCH, 600_000_000_000_000_000_003, 66_666_666_666_666_666_668, 0
        );
        emissions.claimDelegator(delegatorA, trainerA, _shares(secondTable, EPOCH), address(0));

        (IEmissionProgram.Settlement memory settlement,) = emissions.shareOf(_share(secondTable, EPOCH));
        assertTrue(settlement.isSettled, "settled");
    }

    function test_claimDelegator_sharesTheDelegatedPartByStakeInAnyOrder() public {
        uint256 snapshot = vm.snapshotState();
        uint256 first = _dueOf(delegatorA, trainerA, firstTable, EPOCH);
        emissions.claimDelegator(delegatorA, trainerA, _shares(firstTable, EPOCH), address(0));
        uint256 sum = first + _dueOf(delegatorB, trainerA, firstTable, EPOCH);
        vm.revertToState(snapshot);

        uint256 second = _dueOf(delegatorB, trainerA, firstTable, EPOCH);
        emissions.claimDelegator(delegatorB, trainerA, _shares(firstTable, EPOCH), address(0));

        assertEq(second + _dueOf(delegatorA, trainerA, firstTable, EPOCH), sum, "the same in all");
        assertTrue(first / 5 <= second && second <= first / 5 + 1, "250 to 50");
    }

    /// Each claim counts on those before it, also on one that named a share again.
    function test_claimDelegator_threeDelegatorsHaveAllOfTheDelegatedPart() public {
        address delegatorC = actor("delegator C");
        _delegate(delegatorC, trainerA, 33e18);
        uint256 epoch = EPOCH + 3;
        _fund(epoch, POOL);
        _beginDay(epoch);
        _use(secondModel, 1);
        _beginDay(epoch + 1);
        uint256 part = _settle(secondTable, epoch).training - _due(trainerA, secondTable, epoch);
        IEmissionProgram.Share[] memory again = new IEmissionProgram.Share[](2);
        (again[0], again[1]) = (_share(secondTable, epoch), _share(secondTable, EPOCH));

        uint256 sum = _dueOf(delegatorA, trainerA, secondTable, epoch);
        emissions.claimDelegator(delegatorA, trainerA, _shares(secondTable, epoch), address(0));
        emissions.claimDelegator(delegatorA, trainerA, again, address(0));
        sum += _dueOf(delegatorC, trainerA, secondTable, epoch);
        emissions.claimDelegator(delegatorC, trainerA, _shares(secondTable, epoch), address(0));
        sum += _dueOf(delegatorB, trainerA, secondTable, epoch);

        assertEq(sum, part, "to the last unit");
        assertTrue(part * 250 % 333 != 0, "which floors alone would not give");
    }

    /// A part below a unit is paid as nothing, once: the unit is the next delegator's.
    function test_claimDelegator_ofLessThanAUnitLeavesItToTheNext() public {
        uint256 tableId = _setTable(firstModel, _sole(trainerC), _none());
        _stake(trainerC, 0, 0);
        _delegate(delegatorA, trainerC, 1);
        _delegate(delegatorB, trainerC, 2);
        _fund(EPOCH + 3, 1);
        _beginDay(EPOCH + 3);
        _use(firstModel, 1);
        _beginDay(EPOCH + 4);

        IEmissionProgram.Share[] memory shares = _shares(tableId, EPOCH + 3);
        vm.expectEmit(address(emissions));
        emit IEmissionProgram.DelegatorClaimed(delegatorA, trainerC, delegatorA, 0, 0);
        vm.recordLogs();
        assertEq(emissions.claimDelegator(delegatorA, trainerC, shares, address(0)), 0, "a third of a unit");
        Vm.Log[] memory logs = vm.getRecordedLogs();
        for (uint256 i; i < logs.length; ++i) {
            assertTrue(logs[i].emitter != address(token), "some tokens refuse to move nothing");
        }
        vm.expectRevert(abi.encodeWithSelector(IEmissionProgram.NothingToClaim.selector));
        emissions.claimDelegator(delegatorA, trainerC, shares, address(0));

        assertEq(emissions.claimDelegator(delegatorB, trainerC, shares, address(0)), 1, "the whole unit");
        assertEq(token.balanceOf(delegatorA), 0, "nothing for the first");
    }

    function test_claim_forAnotherGoesToThatOther() public {
        vm.startPrank(host);
        uint256 paid = emissions.claimOperator(trainerA, _shares(firstTable, EPOCH), address(0));
        uint256 paidToo = emissions.claimDelegator(delegatorA, trainerA, _shares(firstTable, EPOCH), address(0));

        assertEq(token.balanceOf(trainerA), paid, "operator");
        assertEq(token.balanceOf(delegatorA), paidToo, "delegator");
        assertEq(token.balanceOf(host), 0, "not the caller");
    }

    function test_claim_toAnotherAddressIsForTheBeneficiaryAlone() public {
        vm.startPrank(host);
        vm.expectRevert(abi.encodeWithSelector(IEmissionProgram.NotBeneficiary.selector, trainerA, host));
        emissions.claimOperator(trainerA, _shares(firstTable, EPOCH), host);
        vm.expectRevert(abi.encodeWithSelector(IEmissionProgram.NotBeneficiary.selector, delegatorA, host));
        emissions.claimDelegator(delegatorA, trainerA, _shares(firstTable, EPOCH), host);
        vm.stopPrank();

        address elsewhere = actor("elsewhere");
        vm.expectEmit(address(emissions));
        emit IEmissionProgram.OperatorClaimed(
            trainerB,
            elsewhere,
            _due(trainerB, firstTable, EPOCH) - _due(trainerB, firstTable, EPOCH) * 80_000 / 1e6,
            _due(trainerB, firstTable, EPOCH) * 80_000 / 1e6
        );
        vm.prank(trainerB);
        uint256 paid = emissions.claimOperator(trainerB, _shares(firstTable, EPOCH), elsewhere);
        vm.prank(delegatorA);
        uint256 paidToo = emissions.claimDelegator(delegatorA, trainerA, _shares(firstTable, EPOCH), elsewhere);

        assertEq(token.balanceOf(elsewhere), paid + paidToo, "both");
        assertEq(token.balanceOf(trainerB) + token.balanceOf(delegatorA), 0, "nothing at home");
    }

    function test_claim_paysOnce() public {
        IEmissionProgram.Share[] memory shares = _shares(firstTable, EPOCH);
        emissions.claimOperator(trainerA, shares, address(0));
        emissions.claimDelegator(delegatorA, trainerA, shares, address(0));
        assertEq(_due(trainerA, firstTable, EPOCH), 0, "operator's part");
        assertEq(_dueOf(delegatorA, trainerA, firstTable, EPOCH), 0, "delegator's part");

        bytes memory nothing = abi.encodeWithSelector(IEmissionProgram.NothingToClaim.selector);
        vm.expectRevert(nothing);
        emissions.claimOperator(trainerA, shares, address(0));
        vm.expectRevert(nothing);
        emissions.claimDelegator(delegatorA, trainerA, shares, address(0));
    }

    function test_claim_paysAShareThatIsNamedTwiceOnce() public {
        IEmissionProgram.Share[] memory twice = new IEmissionProgram.Share[](2);
        (twice[0], twice[1]) = (_share(firstTable, EPOCH), _share(firstTable, EPOCH));
        uint256 due = _due(trainerB, firstTable, EPOCH);
        uint256 dueToo = _dueOf(delegatorA, trainerA, firstTable, EPOCH);

        uint256 paid = emissions.claimOperator(trainerB, twice, address(0));
        uint256 paidToo = emissions.claimDelegator(delegatorA, trainerA, twice, address(0));

        assertEq(paid, due - due * 80_000 / 1e6, "operator");
        assertEq(paidToo, dueToo - dueToo * 145_000 / 1e6, "delegator");
    }

    /// What was paid, or is nobody's, does not stand in the way of the rest of a batch.
    function test_claim_passesOverSharesWithoutAPart() public {
        emissions.claimOperator(trainerB, _shares(firstTable, EPOCH), address(0));
        uint256 left = _due(trainerB, firstTable, EPOCH + 1);
        uint256 before = token.balanceOf(trainerB);

        emissions.claimOperator(trainerB, _allShares(), address(0));

        assertEq(token.balanceOf(trainerB) - before, left - left * 80_000 / 1e6, "the one that was left");
    }

    function test_claim_revertsForWhoHasNoPart() public {
        bytes memory nothing = abi.encodeWithSelector(IEmissionProgram.NothingToClaim.selector);
        vm.expectRevert(nothing);
        emissions.claimOperator(host, _allShares(), address(0));
        vm.expectRevert(nothing);
        emissions.claimOperator(trainerB, _shares(secondTable, EPOCH), address(0));
        vm.expectRevert(nothing);
        emissions.claimOperator(trainerA, _shares(firstTable, TODAY), address(0));
        vm.expectRevert(nothing);
        emissions.claimOperator(trainerA, new IEmissionProgram.Share[](0), address(0));
        vm.expectRevert(nothing);
        emissions.claimDelegator(host, trainerA, _allShares(), address(0));
        vm.expectRevert(nothing);
        emissions.claimDelegator(delegatorA, validatorA, _allShares(), address(0));
        vm.expectRevert(nothing);
        emissions.claimDelegator(trainerA, trainerA, _allShares(), address(0));
        vm.expectRevert(nothing);
        emissions.claimDelegator(delegatorA, host, _allShares(), address(0));
    }

    function test_claim_revertsBeforeTheEpochsEnd() public {
        _fund(EPOCH + 3, POOL);
        _beginDay(EPOCH + 3);
        _use(firstModel, 1);
        bytes memory tooEarly = abi.encodeWithSelector(IEmissionProgram.EpochNotOver.selector, EPOCH + 3);
        IEmissionProgram.Share[] memory shares = new IEmissionProgram.Share[](2);
        (shares[0], shares[1]) = (_share(firstTable, EPOCH), _share(firstTable, EPOCH + 3));
        vm.expectRevert(tooEarly);
        emissions.claimOperator(trainerA, shares, address(0));
        vm.expectRevert(tooEarly);
        emissions.claimDelegator(delegatorA, trainerA, shares, address(0));

        _beginDay(EPOCH + 4);
        assertTrue(emissions.claimOperator(trainerA, shares, address(0)) != 0, "once it is over");
    }

    function test_claimFees_areThoseOfTheMomentAndGoToTheTreasury() public {
        _setClaimFees(123_457, 200_000);
        uint256 due = _due(trainerA, firstTable, EPOCH);
        uint256 dueToo = _dueOf(delegatorA, trainerA, firstTable, EPOCH);
        uint256 claimFees = due * 123_457 / 1e6 + dueToo * 200_000 / 1e6;
        emissions.claimOperator(trainerA, _shares(firstTable, EPOCH), address(0));
        emissions.claimDelegator(delegatorA, trainerA, _shares(firstTable, EPOCH), address(0));
        assertEq(emissions.treasuryOwed(), claimFees, "owed");
        address newTreasury = actor("new treasury");
        vm.prank(owner);
        distributor.setTreasury(newTreasury);
        uint256 reserves = emissions.reserves();

        vm.expectEmit(address(emissions));
        emit IEmissionProgram.TreasuryPaid(newTreasury, claimFees);
        assertEq(emissions.payTreasury(), claimFees, "answer");

        assertEq(token.balanceOf(newTreasury), claimFees, "to the treasury of the distributor");
        assertEq(token.balanceOf(treasury), 0, "not to the former one");
        assertEq(emissions.treasuryOwed(), 0, "paid");
        assertEq(reserves - emissions.reserves(), claimFees, "out of the reserves");
        vm.expectRevert(abi.encodeWithSelector(IEmissionProgram.NothingToClaim.selector));
        emissions.payTreasury();
    }

    function test_emissions_leaveTheBooksOfFeesAlone() public {
        uint256 feesA = distributor.claimableOperator(trainerA);
        uint256 reserves = distributor.reserves();

        emissions.claimOperator(trainerA, _allShares(), address(0));
        emissions.claimDelegator(delegatorA, trainerA, _allShares(), address(0));

        assertEq(distributor.claimableOperator(trainerA), feesA, "fees");
        assertEq(distributor.reserves(), reserves, "reserves");
        assertEq(distributor.treasuryOwed(), 0, "treasury");
    }

    /// Random weights, stakes, delegations, sigma and order: all that is claimed, with its claim fees, is the pool.
    function testFuzz_claims_sumUpToThePoolInAnyOrder(
        uint80 pool,
        uint24[5] memory weights,
        uint80[5] memory stakes,
        uint80[10] memory delegated,
        uint256 order
    ) public {
        for (uint256 i; i < 5; ++i) {
            stakes[i] = uint80(bound(stakes[i], 0, 1_000_000e18));
            weights[i] = uint24(bound(weights[i], 1, 1_000));
        }
        for (uint256 i; i < 10; ++i) {
            if (delegated[i] != 0) delegated[i] = uint80(bound(delegated[i], 1e18, 1_000_000e18));
        }
        pool = uint80(bound(pool, 1e18, 1_000e18));

        assertEq(_lostOf(pool, weights, stakes, delegated, order), 0, "all of it");
    }

    /// A delegators' part of one base unit is beyond each of two delegators. No more than that can be lost: one unit for
    /// each of five operators in each of two tables.
    function testFuzz_claims_loseNoMoreThanAUnitOfAnOperatorsShare(
        uint80 pool,
        uint24[5] memory weights,
        uint80[5] memory stakes,
        uint80[10] memory delegated,
        uint256 order
    ) public {
        for (uint256 i; i < 5; ++i) {
            weights[i] = uint24(bound(weights[i], 1, 1_000_000));
        }
        pool = uint80(bound(pool, 1, 1_000e18));

        assertLe(_lostOf(pool, weights, stakes, delegated, order), 10, "units");
    }

    /// @dev What of a pool is left when everyone has claimed. The first model has 15,000e18 units or more, 8 % of which are
    ///      above the largest pool: the cap does not bind.
    function _lostOf(
        uint80 pool,
        uint24[5] memory weights,
        uint80[5] memory stakes,
        uint80[10] memory delegated,
        uint256 order
    ) private returns (uint256) {
        address[] memory operators = _operators();
        for (uint256 i; i < operators.length; ++i) {
            _stake(operators[i], stakes[i], stakes[i] % 1_000_001);
            if (delegated[2 * i] != 0) _delegate(delegatorA, operators[i], delegated[2 * i]);
            if (delegated[2 * i + 1] != 0) _delegate(delegatorB, operators[i], delegated[2 * i + 1]);
        }
        uint256 epoch = EPOCH + 5;
        vm.warp((epoch - 1) * 1 days);
        for (uint256 i; i < operators.length; ++i) {
            (, uint256 availableAt) = vault.pendingSigmaOf(operators[i]);
            if (availableAt != 0) vault.applySigma(operators[i]);
        }
        (firstTable, secondTable) = _randomTables(weights);
        _fund(epoch, pool);
        _beginDay(epoch);
        _use(firstModel, 1);
        _use(secondModel, 1);
        _beginDay(epoch + 1);
        uint256 reserves = emissions.reserves();

        // Who has less than a unit of its own may have one once the others are paid.
        uint256 paid = _claimAll(operators, epoch, order) + _claimAll(operators, epoch, order);

        assertEq(emissions.reserves(), reserves - paid, "reserves");
        uint256 claimFees = emissions.treasuryOwed();
        if (claimFees != 0) emissions.payTreasury();
        assertEq(token.balanceOf(address(emissions)), emissions.reserves(), "tokens");
        return pool - paid - claimFees;
    }

    /// @dev Five operators and two delegators of each, in the order that `order` draws.
    function _claimAll(address[] memory operators, uint256 epoch, uint256 order) private returns (uint256 paid) {
        IEmissionProgram.Share[] memory shares = new IEmissionProgram.Share[](2);
        (shares[0], shares[1]) = (_share(firstTable, epoch), _share(secondTable, epoch));
        emissions.settle(shares[order % 2]);
        emissions.settle(shares[1 - order % 2]);
        uint256[] memory claims = new uint256[](15);
        for (uint256 i; i < claims.length; ++i) {
            claims[i] = i;
        }
        for (uint256 i; i < claims.length; ++i) {
            uint256 pick = i + order % (claims.length - i);
            order /= claims.length - i;
            (claims[i], claims[pick]) = (claims[pick], claims[i]);
            address operator = operators[claims[i] / 3];
            uint256 who = claims[i] % 3;
            if (who == 0) {
                if (_dueOfBoth(operator, address(0), shares) == 0) continue;
                paid += emissions.claimOperator(operator, shares, address(0));
            } else {
                address delegator = who == 1 ? delegatorA : delegatorB;
                if (_dueOfBoth(operator, delegator, shares) == 0) continue;
                paid += emissions.claimDelegator(delegator, operator, shares, address(0));
            }
        }
    }

    function _dueOfBoth(address operator, address delegator, IEmissionProgram.Share[] memory shares)
        private
        view
        returns (uint256 due)
    {
        for (uint256 i; i < shares.length; ++i) {
            due += delegator == address(0)
                ? emissions.claimableOperator(operator, shares[i])
                : emissions.claimableDelegator(delegator, operator, shares[i]);
        }
    }

    function _randomTables(uint24[5] memory weights) private returns (uint256, uint256) {
        uint32[] memory w = new uint32[](5);
        for (uint256 i; i < 5; ++i) {
            w[i] = weights[i];
        }
        return (
            _setTable(
                firstModel,
                contributors(two(trainerA, trainerB), two(w[0], w[1])),
                contributors(two(validatorA, trainerC), two(w[2], w[3]))
            ),
            _setTable(
                secondModel,
                contributors(two(trainerB, trainerC), two(w[4], w[0])),
                contributors(two(validatorB, trainerC), two(w[1], w[2]))
            )
        );
    }

    function _operators() private view returns (address[] memory operators) {
        operators = new address[](5);
        (operators[0], operators[1], operators[2]) = (trainerA, trainerB, trainerC);
        (operators[3], operators[4]) = (validatorA, validatorB);
    }

    function _allShares() private view returns (IEmissionProgram.Share[] memory shares) {
        shares = new IEmissionProgram.Share[](4);
        shares[0] = _share(firstTable, EPOCH);
        shares[1] = _share(secondTable, EPOCH + 1);
        shares[2] = _share(secondTable, EPOCH);
        shares[3] = _share(firstTable, EPOCH + 1);
    }
}
