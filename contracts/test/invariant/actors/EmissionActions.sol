// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {IEmissionProgram} from "../../../src/interfaces/IEmissionProgram.sol";
import {ClaimActions} from "./ClaimActions.sol";

/// @title Days are funded, pass, and are shared out; operators and delegators claim their parts of them.
abstract contract EmissionActions is ClaimActions {
    /// @dev Thrown by a booking that comes to nothing, so that the books stay as they were.
    error NothingBooked();

    address internal funder = actor("funder");

    /// @dev From tiny to more than any cap; at times for a day that began, or nothing.
    function anyoneFundsDays(uint256 daySeed, uint256 amountSeed) external onTime {
        uint256 first = _today() + 1 + mix(daySeed, 1) % 3;
        uint256 count = 1 + mix(daySeed, 2) % 5;
        uint256 each = bound(mix(amountSeed, 1), 1, 10 ** (mix(amountSeed, 2) % 26));
        bytes memory refusal;
        if (rarely(daySeed, 10)) {
            first = _today() - mix(daySeed, 3) % 2;
            refusal = abi.encodeWithSelector(IEmissionProgram.EpochInvalid.selector, first);
        } else if (rarely(amountSeed, 16)) {
            if (mix(amountSeed, 3) % 2 == 0) each = 0;
            else count = 0;
            refusal = abi.encodeWithSelector(IEmissionProgram.AmountInvalid.selector, 0);
        }
        token.mint(funder, each * count);
        wallet[funder] += each * count;
        call(funder, address(emissions), abi.encodeCall(IEmissionProgram.fund, (first, count, each)), refusal);
        if (refusal.length != 0) return;
        for (uint256 i; i < count; ++i) {
            _addToPool(first + i, each);
        }
        wallet[funder] -= each * count;
        emissionsIn += each * count;
    }

    function daysPass(uint256 seed) external {
        _moveTo((_today() + 1 + mix(seed, 1) % 2) * 1 days + (rarely(seed, 3) ? 0 : mix(seed, 2) % 1 days));
    }

    function anyoneSettlesAShare(uint256 shareSeed) external onTime {
        ShareId memory id = _someShare(shareSeed);
        bytes memory refusal = _whyNotSettled(id);
        call(stranger, address(emissions), abi.encodeCall(IEmissionProgram.settle, (_share(id))), refusal);
        if (refusal.length != 0) return;
        _settleShare(id);
        _assertSettled(id);
    }

    function operatorClaimsEmissions(uint256 whoSeed, uint256 sharesSeed, uint256 shapeSeed) external onTime {
        address who = pick(operators, whoSeed);
        (address caller, address to) = _callerAndReceiver(who, shapeSeed);
        _claimsEmissions(caller, who, _someShares(sharesSeed), to);
    }

    function delegatorClaimsEmissions(uint256 whoSeed, uint256 operatorSeed, uint256 sharesSeed, uint256 shapeSeed)
        external
        onTime
    {
        address who = pick(delegators, whoSeed);
        (address caller, address to) = _callerAndReceiver(who, shapeSeed);
        _claimsEmissions(caller, who, pick(operators, operatorSeed), _someShares(sharesSeed), to);
    }

    function anyoneRollsOver(uint256 daySeed) external onTime {
        uint256 day = FIRST_DAY + mix(daySeed, 1) % (lastPoolDay - FIRST_DAY + 1);
        for (uint256 i = FIRST_DAY; i < _today() && !rarely(daySeed, 3); ++i) {
            if (pools[i].amount != 0 && unitsOfDay[i] == 0) day = i;
        }
        uint256 amount = pools[day].amount;
        bytes memory refusal;
        if (day >= _today()) refusal = abi.encodeWithSelector(IEmissionProgram.EpochNotOver.selector, day);
        else if (unitsOfDay[day] != 0) refusal = abi.encodeWithSelector(IEmissionProgram.EpochUsed.selector, day);
        else if (amount == 0) refusal = abi.encodeWithSelector(IEmissionProgram.NothingToClaim.selector);
        call(stranger, address(emissions), abi.encodeCall(IEmissionProgram.rollOver, (day)), refusal);
        if (refusal.length != 0) return;
        pools[day].amount = 0;
        _addToPool(_today() + 1, amount);
    }

    function anyonePaysTheTreasuryOfEmissions() external onTime {
        uint256 due = emissionFeesDue - emissionFeesPaid;
        bytes memory refusal;
        if (due == 0) refusal = abi.encodeWithSelector(IEmissionProgram.NothingToClaim.selector);
        call(stranger, address(emissions), abi.encodeCall(IEmissionProgram.payTreasury, ()), refusal);
        emissionFeesPaid += due;
        _emitted(receiverOfClaimFees, due);
    }

    /// @dev Not an action: a booking that can be undone.
    function bookOperatorEmissions(address operator, ShareId[] memory ids) external returns (uint256 gross) {
        gross = _bookOperatorEmissions(operator, ids);
        if (gross == 0) revert NothingBooked();
    }

    /// @dev Not an action: a booking that can be undone.
    function bookDelegatorEmissions(address delegator, address operator, ShareId[] memory ids)
        external
        returns (uint256 gross)
    {
        uint256 delegated;
        (gross, delegated) = _bookDelegatorEmissions(delegator, operator, ids);
        if (delegated == 0) revert NothingBooked();
    }

    /// @dev An operator's claim.
    function _claimsEmissions(address caller, address who, ShareId[] memory ids, address to) internal {
        uint256 gross;
        bytes memory refusal = _whyNotClaimed(ids, who, caller, to);
        if (refusal.length == 0) {
            try this.bookOperatorEmissions(who, ids) returns (uint256 booked) {
                gross = booked;
            } catch (bytes memory reason) {
                refusal = _nothing(reason);
            }
        }
        bytes memory data = abi.encodeCall(IEmissionProgram.claimOperator, (who, _shares(ids), to));
        _claimed(caller, to == address(0) ? who : to, data, refusal, gross, rates.operatorPpm);
    }

    /// @dev A delegator's claim.
    function _claimsEmissions(address caller, address who, address operator, ShareId[] memory ids, address to)
        internal
    {
        uint256 gross;
        bytes memory refusal = _whyNotClaimed(ids, who, caller, to);
        if (refusal.length == 0) {
            try this.bookDelegatorEmissions(who, operator, ids) returns (uint256 booked) {
                gross = booked;
            } catch (bytes memory reason) {
                refusal = _nothing(reason);
            }
        }
        bytes memory data = abi.encodeCall(IEmissionProgram.claimDelegator, (who, operator, _shares(ids), to));
        _claimed(caller, to == address(0) ? who : to, data, refusal, gross, rates.delegatorPpm);
    }

    function _nothing(bytes memory reason) private pure returns (bytes memory) {
        assertEq(reason, abi.encodeWithSelector(NothingBooked.selector), "booked, or nothing to book");
        return abi.encodeWithSelector(IEmissionProgram.NothingToClaim.selector);
    }

    function _claimed(
        address caller,
        address receiver,
        bytes memory data,
        bytes memory refusal,
        uint256 gross,
        uint256 ppm
    ) private {
        bytes memory answer_ = call(caller, address(emissions), data, refusal);
        if (refusal.length != 0) return;
        (uint256 net, uint256 claimFee) = _less(gross, ppm);
        assertEq(abi.decode(answer_, (uint256)), net, "a claim of emissions pays what the books say");
        emissionFeesDue += claimFee;
        _emitted(receiver, net);
    }

    function _assertSettled(ShareId memory id) internal view {
        (Emission memory e,) = _shareNow(id);
        (IEmissionProgram.Settlement memory actual,) = emissions.shareOf(_share(id));
        assertEq(actual.isSettled, e.isSettled, "settled");
        assertEq(actual.training, e.training, "emission for training nodes");
        assertEq(actual.validators, e.validators, "emission for validators");
    }

    function _share(ShareId memory id) internal pure returns (IEmissionProgram.Share memory) {
        return IEmissionProgram.Share(id.tableId, id.day);
    }

    function _shares(ShareId[] memory ids) internal pure returns (IEmissionProgram.Share[] memory list) {
        list = new IEmissionProgram.Share[](ids.length);
        for (uint256 i; i < ids.length; ++i) {
            list[i] = _share(ids[i]);
        }
    }

    /// @dev Mostly one with units, at times any table and day, that of today and tables to come included.
    function _someShare(uint256 seed) private view returns (ShareId memory) {
        if (shares.length != 0 && !rarely(seed, 8)) {
            ShareId memory id = shares[mix(seed, 1) % shares.length];
            if (id.day < _today() || rarely(seed, 4)) return id;
            return shares[mix(seed, 4) % shares.length];
        }
        return ShareId(mix(seed, 2) % (tables.length + 1), FIRST_DAY + mix(seed, 3) % (_today() - FIRST_DAY + 1));
    }

    function _someShares(uint256 seed) private view returns (ShareId[] memory ids) {
        ids = new ShareId[](1 + mix(seed, 5) % 4);
        for (uint256 i; i < ids.length; ++i) {
            ids[i] = _someShare(mix(seed, 6 + i));
        }
    }

    function _whyNotClaimed(ShareId[] memory ids, address beneficiary, address caller, address to)
        private
        view
        returns (bytes memory refusal)
    {
        if (to != address(0) && caller != beneficiary) {
            return abi.encodeWithSelector(IEmissionProgram.NotBeneficiary.selector, beneficiary, caller);
        }
        for (uint256 i; i < ids.length && refusal.length == 0; ++i) {
            refusal = _whyNotSettled(ids[i]);
        }
    }

    function _whyNotSettled(ShareId memory id) private view returns (bytes memory) {
        if (id.day < _today()) return "";
        return abi.encodeWithSelector(IEmissionProgram.EpochNotOver.selector, id.day);
    }
}
